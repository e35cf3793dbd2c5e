"""What a Firestore trigger is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Change:
    """A document that was written: its path below the database's root, its fields before and after."""

    event_id: str
    path: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None

    @property
    def id(self) -> str:
        """The document's own."""
        return self.path.rpartition("/")[2]
