"""Discord: one embed, which can neither mention anybody nor be formatted by what a job is called."""

import json
import re
import secrets
from collections.abc import Mapping
from typing import Any

from printpipe.domain.notifications import Severity
from printpipe.services.notifications.kinds.posting import (
    PICTURE_NAME,
    PICTURE_TYPE,
    Posting,
    Request,
    line,
    shortened,
    timestamp,
)

_MOST_TITLE = 120
_MOST_TEXT = 2_000
"""Characters; escaped they may be twice as many, and Discord takes 256 and 4,096."""

_COLORS: Mapping[Severity, int] = {"info": 0x2F9E44, "warning": 0xF08C00, "error": 0xE03131, "critical": 0xC2255C}
_SPECIAL = re.compile(r"([\\*_~`|>#\[\]()<@:-])")


def request(posting: Posting) -> Request:
    """The notice, with its picture attached."""
    notice = posting.notice
    embed: dict[str, Any] = {
        "title": _escaped(line(notice.title, _MOST_TITLE)),
        "description": _escaped(shortened(notice.text, _MOST_TEXT)),
        "color": _COLORS[notice.severity],
        "timestamp": timestamp(notice.occurred_at),
    }
    content: dict[str, Any] = {"username": "PrintPipe", "embeds": [embed], "allowed_mentions": {"parse": []}}
    if posting.image is None:
        return Request(posting.address, json.dumps(content).encode(), {"Content-Type": "application/json"})
    embed["image"] = {"url": f"attachment://{PICTURE_NAME}"}
    content["attachments"] = [{"id": 0, "filename": PICTURE_NAME}]
    boundary = secrets.token_hex(16)
    body = b"".join(
        (
            _part(boundary, 'name="payload_json"', "application/json", json.dumps(content).encode()),
            _part(boundary, f'name="files[0]"; filename="{PICTURE_NAME}"', PICTURE_TYPE, posting.image),
            f"--{boundary}--\r\n".encode(),
        )
    )
    return Request(posting.address, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})


def _part(boundary: str, disposition: str, kind: str, content: bytes) -> bytes:
    head = f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\nContent-Type: {kind}\r\n\r\n"
    return head.encode() + content + b"\r\n"


def _escaped(text: str) -> str:
    """Without a meaning in Discord's Markdown."""
    return _SPECIAL.sub(r"\\\1", text)
