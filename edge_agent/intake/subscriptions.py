"""The two Pub/Sub intakes, begun anew when the configuration of Pub/Sub changes."""

import threading
from dataclasses import replace

from edge_agent.config import PubSubConfig
from edge_agent.execution import Rooms
from edge_agent.inbox import Inbox
from edge_agent.intake.pubsub import PubSubIntake, Shared


class Subscriptions:
    """Pulls both subscriptions where there are some; called by one thread at a time.

    An intake that is stopped may still wait for an answer, for `pull_wait` at most: what comes with it is not
    acknowledged, and so comes again.
    """

    def __init__(self, rooms: Rooms, inbox: Inbox) -> None:
        self._rooms = rooms
        self._inbox = inbox
        self._config: PubSubConfig | None = None
        self._shared: Shared | None = None
        self._stopping = threading.Event()

    @property
    def pulled(self) -> bool:
        """Whether commands come by Pub/Sub: it is configured, and not blocked."""
        shared = self._shared
        return shared is not None and not shared.health.is_blocked()

    def apply(self, config: PubSubConfig | None) -> None:
        """Pull what the configuration says from now on, and nothing else."""
        if config == self._config:
            return
        self.stop()
        self._config, self._shared, self._stopping = config, None, threading.Event()
        if config is None:
            return
        rooms = replace(self._rooms, stopping=self._stopping)
        self._shared = shared = Shared(config, rooms)
        for subscription in (config.subscription_priority, config.subscription_normal):
            intake = PubSubIntake(config, subscription, rooms, self._inbox, shared)
            threading.Thread(target=intake.loop, name=subscription, daemon=True).start()

    def stop(self) -> None:
        """Take no more messages."""
        self._stopping.set()
