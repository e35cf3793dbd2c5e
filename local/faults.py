"""What tests switch on in the relay: duplicates, reordering, failures and losses."""

import random
import threading
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]


class Faults(BaseModel):
    """The switches; all off is the relay's normal work.

    `duplicates`: every event is delivered this many more times. `reorder`: the next events are held until this many
    have come (or 5 s have passed), then delivered last to first. `fail`: this many attempts fail without reaching the
    function, and of all the first attempts this share does (`fail_first`, 0 to 1). `shuffle`: every event is delivered
    at some time within so many seconds. `drop`: no event of the store and no tick is delivered. `drop_messages`: this
    many Pub/Sub messages never reach an agent. `only`: `fail` and `reorder` touch the events of this function alone;
    empty: of every function.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    duplicates: Count = 0
    reorder: Count = 0
    fail: Count = 0
    fail_first: Annotated[float, Field(ge=0, le=1)] = 0.0
    shuffle: Annotated[float, Field(ge=0, le=60)] = 0.0
    drop: bool = False
    drop_messages: Count = 0
    only: str = ""

    def touches(self, function: str) -> bool:
        """Whether `fail` and `reorder` concern this function's events."""
        return self.only in ("", function)


class FaultPanel:
    """The switches in force, safe to use from every thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults = Faults()

    @property
    def now(self) -> Faults:
        """The present setting; counts show what is left."""
        return self._faults

    def set(self, body: bytes) -> Faults:
        """Changes the switches that the JSON object names. Raises pydantic's ValidationError."""
        wanted = Faults.model_validate_json(body)
        with self._lock:
            self._faults = self._faults.model_copy(update=wanted.model_dump(include=wanted.model_fields_set))
            return self._faults

    def take_failure(self, function: str) -> bool:
        """Whether this attempt at calling the function is to fail."""
        with self._lock:
            if not self._faults.fail or not self._faults.touches(function):
                return False
            self._faults = self._faults.model_copy(update={"fail": self._faults.fail - 1})
            return True

    def fails_first(self) -> bool:
        """Whether this first attempt is to fail."""
        share = self._faults.fail_first
        return share > 0 and random.random() < share  # noqa: S311 - disorder, not a secret

    def take_dropped_message(self) -> bool:
        """Whether this message is to be lost."""
        with self._lock:
            if not self._faults.drop_messages:
                return False
            self._faults = self._faults.model_copy(update={"drop_messages": self._faults.drop_messages - 1})
            return True

    def reordered(self) -> None:
        """Switches reordering off: the held events have gone out."""
        with self._lock:
            self._faults = self._faults.model_copy(update={"reorder": 0})
