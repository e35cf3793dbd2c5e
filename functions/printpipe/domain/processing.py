"""What is kept of messages that were taken."""

from datetime import datetime, timedelta

from printpipe.domain.records import Stored

REMEMBERED = timedelta(days=14)
"""Longer than any message is kept by the bus, so that no late delivery finds itself forgotten."""


class ProcessedEvent(Stored):
    """`processed_events/{consumer}_{digest}`: one consumer has done what it does about one happening."""

    consumer: str
    event_id: str
    organization_id: str
    published_at: datetime
    processed_at: datetime
    expires_at: datetime
