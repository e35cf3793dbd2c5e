"""ntfy: as JSON at the server's root, or the picture itself at the topic, with the rest in headers."""

import json
from collections.abc import Mapping
from email.header import Header
from urllib.parse import urlsplit

from printpipe.domain.notifications import Severity
from printpipe.services.notifications.kinds.posting import PICTURE_NAME, PICTURE_TYPE, Posting, Request, line, shortened

_MOST_TITLE = 250
_MOST_TEXT = 1_000
"""Characters; ntfy makes an attachment of a message of more than 4,096 bytes."""

_PRIORITIES: Mapping[Severity, int] = {"info": 3, "warning": 4, "error": 4, "critical": 5}
_TAGS: Mapping[Severity, str] = {
    "info": "information_source",
    "warning": "warning",
    "error": "x",
    "critical": "rotating_light",
}


def request(posting: Posting) -> Request:
    """The notice, with the channel's token where it has one."""
    notice = posting.notice
    authorization = {"Authorization": f"Bearer {posting.secret}"} if posting.secret else {}
    title, priority, tag = line(notice.title, _MOST_TITLE), _PRIORITIES[notice.severity], _TAGS[notice.severity]
    if posting.image is not None:
        headers = {
            "Title": _header(title),
            "Message": _header(line(notice.text, _MOST_TEXT)),
            "Priority": str(priority),
            "Tags": tag,
            "Filename": PICTURE_NAME,
            "Content-Type": PICTURE_TYPE,
        }
        return Request(posting.address, posting.image, {**headers, **authorization})
    parts = urlsplit(posting.address)
    content = {
        "topic": parts.path.strip("/"),
        "title": title,
        "message": shortened(notice.text, _MOST_TEXT),
        "priority": priority,
        "tags": [tag],
    }
    headers = {"Content-Type": "application/json", **authorization}
    return Request(f"https://{parts.netloc}/", json.dumps(content, ensure_ascii=False).encode(), headers)


def _header(text: str) -> str:
    """The line as a header's value: as encoded words (RFC 2047) where it is more than ASCII or looks like one."""
    return text if text.isascii() and "=?" not in text else Header(text, "utf-8").encode(linesep="")
