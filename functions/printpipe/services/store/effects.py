"""Exactly one effect: what a consumer does about a happening is written together with a note that it was done."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from printpipe.domain.ports.documents import Create
from printpipe.domain.processing import REMEMBERED, ProcessedEvent
from printpipe.services.context import Context


@dataclass(frozen=True)
class Effect:
    """What `consumer`, a function's name, does about one happening; `published_at` is when it was told of it first."""

    consumer: str
    event_id: str
    organization_id: str
    published_at: datetime

    def done(self, context: Context) -> bool:
        """Whether it was done before."""
        return context.documents.get(self._path(context)) is not None

    def note(self, context: Context) -> Create:
        """The write that says so, for the batch of the effect itself: of two deliveries at once one fails."""
        now = context.now()
        noted = ProcessedEvent(
            consumer=self.consumer,
            event_id=self.event_id,
            organization_id=self.organization_id,
            published_at=self.published_at,
            processed_at=now,
            expires_at=now + REMEMBERED,
        )
        return Create(self._path(context), noted.data())

    def _path(self, context: Context) -> str:
        digest = hashlib.sha256(self.event_id.encode()).hexdigest()[:32]
        return f"{context.collections.processed_events}/{self.consumer}_{digest}"
