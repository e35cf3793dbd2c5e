"""Slack: an incoming webhook's JSON, with a link to the picture, which Slack fetches at once."""

import json
from typing import Any

from printpipe.services.notifications.kinds.posting import Posting, Request, line, shortened

_MOST_TITLE = 150
_MOST_TEXT = 400
"""Characters; escaped they may be five times as many, and Slack takes 3,000 in a section."""

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def request(posting: Posting) -> Request:
    """The notice as a section, and its picture below."""
    notice = posting.notice
    title = line(notice.title, _MOST_TITLE)
    text = f"{_escaped(title)}\n{_escaped(shortened(notice.text, _MOST_TEXT))}"
    section = {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}
    blocks: list[dict[str, Any]] = [section]
    if posting.image_url is not None:
        blocks.append({"type": "image", "image_url": posting.image_url, "alt_text": title})
    content = {"text": text, "blocks": blocks, "unfurl_links": False, "unfurl_media": False}
    return Request(posting.address, json.dumps(content).encode(), {"Content-Type": "application/json"})


def _escaped(text: str) -> str:
    """What Slack would take for a link, a mention or a command is none."""
    return text.translate(_ESCAPES)
