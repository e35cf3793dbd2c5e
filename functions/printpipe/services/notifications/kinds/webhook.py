"""Webhooks: JSON that its receiver can tell to be ours, and new.

The signature is HMAC-SHA256, by the channel's secret, of the timestamp, a full stop and the body. A receiver checks it
over the bytes that it was sent, refuses timestamps older than five minutes, and remembers the event ids: what was sent
by a sender that died before it could say so comes a second time, with the same event id.
"""

import hashlib
import hmac
import json

from printpipe.services.notifications.kinds.posting import Posting, Request, timestamp


def request(posting: Posting) -> Request:
    """The notice as JSON, signed."""
    notice = posting.notice
    content = {
        "id": notice.event_id,
        "type": notice.event_type,
        "created_at": timestamp(notice.occurred_at),
        "organization_id": notice.organization_id,
        "data": {
            "title": notice.title,
            "text": notice.text,
            "severity": notice.severity,
            "printer_id": notice.printer_id,
            "printer_name": notice.printer_name,
            "recipient_id": notice.recipient_id,
            "job_id": notice.job_id,
            "job_name": notice.job_name,
            "details": dict(notice.details),
            "image_url": posting.image_url,
        },
    }
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":"), default=str).encode()
    seconds = str(int(posting.at.timestamp()))
    headers = {
        "Content-Type": "application/json",
        "PrintPipe-Event-Id": notice.event_id,
        "PrintPipe-Delivery-Id": posting.delivery_id,
        "PrintPipe-Timestamp": seconds,
        "PrintPipe-Signature": f"v1={signature(posting.secret or '', seconds, body)}",
    }
    return Request(posting.address, body, headers)


def signature(secret: str, seconds: str, body: bytes) -> str:
    """Of a body that is sent at this time, in seconds since 1970; lower hex."""
    return hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
