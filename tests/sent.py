"""An organization whose notifications really go out: to a receiver on loopback, and to a mail server that is a list."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from printpipe.domain.messages import NotificationEvent
from printpipe.domain.notifications import Delivery, Notice, NotificationChannel
from printpipe.domain.ports.bus import Bus
from printpipe.domain.ports.documents import Documents, PreconditionFailed
from printpipe.domain.ports.files import Files
from printpipe.domain.ports.keys import Keys
from printpipe.domain.ports.mail import Mail
from printpipe.domain.ports.outbound import Answer, NotDelivered, Outbound
from printpipe.domain.ports.platform import Platform
from printpipe.domain.tenancy import Caller
from printpipe.services.context import Context
from printpipe.services.notifications import planning
from printpipe.services.store.effects import Effect
from printpipe.triggers import notification_retry, notification_sent
from tests.counts import SOAK
from tests.farm import Farm
from tests.notified import Notified
from tests.receiver import HOST, Receiver

CONSUMER = "trigger-notification-sent"


class Killed(BaseException):
    """The process ends here."""


@dataclass
class AtPort:
    """`Outbound` as it is, but that the usual port is the receiver's; it may be killed once something was sent."""

    outbound: Outbound
    port: int
    killed_after: int | None = None

    def check(self, url: str, hosts: frozenset[str]) -> None:
        self.outbound.check(url, hosts)

    def post(self, url: str, body: bytes, headers: Mapping[str, str], hosts: frozenset[str]) -> Answer:
        host = urlsplit(url).netloc
        there = {each if ":" in each else f"{each}:{self.port}" for each in hosts}
        answer = self.outbound.post(url.replace(host, f"{host}:{self.port}", 1), body, headers, frozenset(there))
        if self.killed_after is not None:
            self.killed_after -= 1
            if self.killed_after < 0:
                self.killed_after = None
                raise Killed
        return answer


@dataclass(frozen=True)
class Letter:
    to: str
    subject: str
    text: str
    image: bytes | None
    message_id: str


@dataclass
class LetterBox:
    """`Mail` that keeps the letters, or does not take them."""

    letters: list[Letter] = field(default_factory=list)
    shut: bool = False

    def send(self, to: str, subject: str, text: str, image: bytes | None, message_id: str) -> None:
        if self.shut:
            raise NotDelivered("The mail server is out of reach, or does not answer properly.")
        self.letters.append(Letter(to, subject, text, image, message_id))


@dataclass(frozen=True)
class _Ports:
    documents: Documents
    files: Files
    bus: Bus
    keys: Keys
    outbound: Outbound
    mail: Mail


class Sent(Notified):
    """Its farm, with notices planned as they come and messages delivered as the runtime does it."""

    def __init__(self, farm: Farm, folder: Path, receiver: Receiver) -> None:
        super().__init__(farm, folder)
        self.receiver, self.letters = receiver, LetterBox()
        self.out = AtPort(receiver.outbound(total=4.0), receiver.port)
        self.hosts, self.sends_mail = frozenset({HOST}), True
        self.outbound: Outbound = self.out
        self.store: Documents | None = None
        self.files: Files | None = None
        self.keys: Keys | None = None
        self._noticed = 0

    def _as(self, caller: Caller) -> Context:
        context = super()._as(caller)
        plain = context.platform
        files, keys = self.files or plain.files, self.keys or plain.keys
        ports = _Ports(self.store or plain.documents, files, plain.bus, keys, self.outbound, self.letters)
        policy = replace(context.policy, webhook_hosts=self.hosts, mail=self.sends_mail)
        return replace(context, platform=cast(Platform, ports), policy=policy)

    def picture(self, content: bytes, name: str = "pictures/1.jpg") -> str:
        """An object in the bucket; its name."""
        self.event().platform.files.put(name, BytesIO(content), "image/jpeg")
        return name

    def notice(self, **fields: Any) -> Notice:
        self._noticed += 1
        plain: dict[str, Any] = {
            "event_type": "job_completed",
            "event_id": f"event-{self._noticed}",
            "organization_id": self.farm.organization,
            "occurred_at": self.farm.now,
            "title": "lid.3mf is printed",
            "text": "P1S has printed lid.3mf.",
            "printer_id": "printer-1",
            "printer_name": "P1S",
            "job_id": "job-1",
            "job_name": "lid.3mf",
        }
        return Notice(**{**plain, **fields})

    def tell(self, **fields: Any) -> Notice:
        """Something happens that is to be told: planned and announced."""
        notice, context = self.notice(**fields), self.event()
        plan = planning.plan(context, notice)
        context.documents.commit(*plan.writes)
        plan.announce(context)
        return notice

    def messages(self) -> list[NotificationEvent]:
        """Those published since it was asked last."""
        return [NotificationEvent.model_validate_json(data) for data in self._pulled("due")]

    def take(self, message: NotificationEvent) -> None:
        """The message reaches its function."""
        context = self.event()
        effect = Effect(CONSUMER, message.event_id, message.organization_id, self.farm.now)
        if effect.done(context):
            return
        try:
            notification_sent.handle(message, effect, context)
        except PreconditionFailed:
            if not effect.done(context):
                raise

    def run(self, times: int = 1) -> None:
        """All messages are taken, each so many times."""
        while messages := self.messages():
            for message in messages * times:
                self.take(message)

    def minute(self, times: int = 1, **passed: float) -> None:
        """Time passes, and every minute the schedule does its part; of hours, at reduced counts, every ten minutes."""
        left = timedelta(**passed)
        seldom = left >= timedelta(hours=1) and not SOAK
        while left > timedelta():
            step = min(left, timedelta(minutes=10 if seldom else 1))
            left -= step
            self.farm.later(seconds=step.total_seconds())
            notification_retry.handle(self.event())
            self.run(times)

    def stored(self, channel_id: str) -> NotificationChannel:
        document = self.documents.get(f"notification_channels/{channel_id}")
        assert document is not None
        return NotificationChannel.of(document)

    def delivery(self, channel_id: str, notice: Notice) -> Delivery:
        [found] = [each for each in self.deliveries(channel_id) if each.event_id == notice.event_id]
        return found
