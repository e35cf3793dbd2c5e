"""Whether a printer still hears us: its reports may go on while nothing that it is told arrives (section A).

The test is a request without any effect. P1 printers are slow, so it is sent only where nothing was acknowledged for a
while, or where a request waits for its acknowledgement longer than that takes.
"""

from collections import deque

MOST_IDS = 64
FRUITLESS = 2
"""After so many new connections on which nothing was answered either, the printer is asked ever more rarely."""
MOST_DOUBLINGS = 5


class Pulse:
    """One printer's, over its connections. Times are seconds of the monotonic clock.

    `every`: after so long without an acknowledgement the printer is asked; `patience`: how long it may take to answer.
    `cures` is how many connections in a row were given up because nothing was answered.
    """

    def __init__(self, now: float, every: float, patience: float) -> None:
        self.cures = 0
        self._every = self._interval = every
        self._patience = patience
        self._due = now + every
        self._probed_at: float | None = None
        self._probed_again = False
        self._ours: deque[str] = deque(maxlen=MOST_IDS)

    @property
    def is_hopeless(self) -> bool:
        """Whether new connections do not help."""
        return self.cures >= FRUITLESS

    def begin(self, now: float) -> None:
        """A new connection."""
        self._interval = self._every * 2 ** min(self.cures, MOST_DOUBLINGS)
        self._due, self._probed_at = now + self._interval, None
        self._ours.clear()

    def sent(self, sequence_id: str, now: float) -> None:
        """A request went out that is to be acknowledged."""
        self._ours.append(sequence_id)
        if not self.is_hopeless:
            self._due = min(self._due, now + self._patience / 4)

    def heard(self, sequence_id: str, now: float) -> None:
        """Somebody's request was acknowledged; others may be heard where we are not."""
        if sequence_id in self._ours:
            self.cures = 0
            self._interval = self._every
            self._due, self._probed_at = now + self._interval, None

    def is_due(self, now: float, last_frame: float) -> bool:
        """Whether to ask now: once, and once more, because an answer may be lost.

        A printer that says nothing at all is not asked, that is another matter.
        """
        if now - last_frame > self._patience:
            return False
        if self._probed_at is None:
            return now >= self._due
        return not self._probed_again and now - self._probed_at >= self._patience * 0.4

    def probed(self, sequence_id: str, now: float) -> None:
        """It was asked."""
        self._ours.append(sequence_id)
        if self._probed_at is None:
            self._probed_at, self._probed_again = now, False
        else:
            self._probed_again = True

    def gives_up(self, now: float, last_frame: float) -> bool:
        """Whether the printer has gone on reporting since it was asked, and has not answered."""
        if self._probed_at is None or now - self._probed_at < self._patience:
            return False
        if now - last_frame <= self._patience / 2:
            self.cures += 1
            return True
        self._due, self._probed_at = now + self._interval, None
        return False
