"""E-mail: a letter in plain text."""

from dataclasses import dataclass

from printpipe.services.notifications.kinds.posting import Posting, line, shortened, timestamp

_MOST_SUBJECT = 150
_MOST_TEXT = 10_000


@dataclass(frozen=True)
class Letter:
    """A letter's subject, one line, and its text."""

    subject: str
    text: str


def letter(posting: Posting) -> Letter:
    """The notice, and what it is about."""
    notice = posting.notice
    about = (
        ("Printer", notice.printer_name or notice.printer_id),
        ("Job", notice.job_name or notice.job_id),
        ("Site", notice.recipient_id),
        ("Time", timestamp(notice.occurred_at)),
    )
    facts = "".join(f"{name}: {line(value, _MOST_SUBJECT)}\n" for name, value in about if value)
    return Letter(line(notice.title, _MOST_SUBJECT), f"{shortened(notice.text, _MOST_TEXT)}\n\n{facts}")
