"""The configuration file, watched: what changes in it takes effect while the agent runs."""

import threading
from collections.abc import Callable
from pathlib import Path

from pydantic import ConfigDict

from edge_agent.config import AgentConfig, ConfigError, Timing
from edge_agent.execution import Rooms
from edge_agent.logs import log
from edge_agent.supervision import supervised

SETTLE_SECONDS = 0.2
"""How long the file must have been left alone before it is read: it may be written in several steps."""
LIVE = frozenset({"backend_url", "routing", "api_key", "pubsub", "printers", "timing"})
"""What takes effect at once; the rest waits for the next start."""
IDENTITY = frozenset({"recipient_id", "state_dir"})
"""What makes the agent another one: of a file that changes it, nothing takes effect before the next start."""

_MISSING: tuple[int, ...] = (-1,)


class LiveTiming(Timing):
    """The intervals as all of the agent's rooms share them: they change in place, so that nothing is made anew."""

    model_config = ConfigDict(frozen=False)

    @classmethod
    def of(cls, timing: Timing) -> "LiveTiming":
        """The same intervals, changeable."""
        return cls.model_validate(dict(timing))

    def become(self, timing: Timing) -> None:
        """Take over every interval. What a driver has computed from one stays until the driver is made anew."""
        for name, value in timing:
            setattr(self, name, value)


class Reloading:
    """Reads the file again when it has changed, and hands it on when it is valid; what is not valid is logged once."""

    def __init__(
        self,
        path: Path,
        config: AgentConfig,
        load: Callable[[Path], AgentConfig],
        apply: Callable[[AgentConfig], None],
        rooms: Rooms,
    ) -> None:
        """`config` is in force. `load` reads the file, or raises ConfigError; `apply` takes a changed one."""
        self._path = path.expanduser()
        self._config = config
        self._load = load
        self._apply = apply
        self._rooms = rooms
        self._asked = threading.Event()
        self._seen: tuple[int, ...] = ()

    def ask(self) -> None:
        """Read the file now, changed or not, or see that the agent stops."""
        self._asked.set()

    def loop(self) -> None:
        """Watch the file until the agent stops."""
        supervised("reloading", self._rooms.stopping, self._step)

    def _step(self) -> None:
        asked = self._asked.wait(self._rooms.timing.reload)
        self._asked.clear()
        found = self._settled()
        if self._rooms.stopping.is_set() or (found == self._seen and not asked):
            return
        self._seen = found
        try:
            config = self._load(self._path)
        except ConfigError as error:
            log("config_invalid", "ERROR", reason=str(error), advice="the configuration from before stays in force")
            return
        self._take(config, asked=asked)

    def _settled(self) -> tuple[int, ...]:
        """What tells this file from the one before it, once it is left alone."""
        found = _signature(self._path)
        while found != self._seen and not self._rooms.stopping.wait(SETTLE_SECONDS):
            later = _signature(self._path)
            if later == found:
                break
            found = later
        return found

    def _take(self, config: AgentConfig, *, asked: bool) -> None:
        changed = {name for name in AgentConfig.model_fields if getattr(config, name) != getattr(self._config, name)}
        if not changed:
            if asked:
                log("config_unchanged")
            return
        if changed & IDENTITY:
            log("config_needs_restart", "WARNING", fields=sorted(changed))
            return
        if changed & LIVE:
            self._apply(config)
            log("config_reloaded", fields=sorted(changed & LIVE))
        if changed - LIVE:
            log("config_needs_restart", "WARNING", fields=sorted(changed - LIVE))
        self._config = config


def _signature(path: Path) -> tuple[int, ...]:
    """Changes whenever the file does, its owner and its mode included."""
    try:
        about = path.stat()
    except OSError:
        return _MISSING
    return (about.st_mtime_ns, about.st_ino, about.st_size, about.st_mode, about.st_uid)
