"""A farm whose organization is told of what happens: channels, and the messages that lead to deliveries."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, cast

from printpipe.adapters.embedded.keys import EmbeddedKeys
from printpipe.adapters.outbound import HttpsOutbound
from printpipe.domain.ids import NO_KEY, Once, new_id
from printpipe.domain.messages import JobEvent, NotificationEvent
from printpipe.domain.notifications import ChannelKind, Delivery
from printpipe.domain.ports.bus import Bus
from printpipe.domain.ports.documents import Create, Documents, PreconditionFailed, Query, Where
from printpipe.domain.ports.files import Files
from printpipe.domain.ports.keys import Keys
from printpipe.domain.ports.outbound import Outbound
from printpipe.domain.ports.platform import Platform
from printpipe.domain.tenancy import SYSTEM, Caller
from printpipe.domain.tenant_records import Organization
from printpipe.services.context import Context
from printpipe.services.notifications import channels
from printpipe.services.notifications.channels import Told, Wish
from printpipe.services.store.effects import Effect
from printpipe.triggers import command_ended, event_written, job_announced, job_written
from printpipe.triggers.change import Change
from tests.farm import Farm

CONSUMER = "trigger-job-announced"
PUBLIC = IPv4Address("93.184.215.14")


@dataclass(frozen=True)
class _Ports:
    documents: Documents
    files: Files
    bus: Bus
    keys: Keys
    outbound: Outbound


class Notified:
    """The farm's organization and its channels; every host that they name has an address of the open internet."""

    def __init__(self, farm: Farm, folder: Path) -> None:
        self.farm = farm
        self.documents = farm.documents
        plain = farm.context().platform
        outbound = HttpsOutbound(resolver=lambda host: [PUBLIC])
        self._ports = _Ports(plain.documents, plain.files, farm.bus, EmbeddedKeys(folder / "ring.json"), outbound)
        farm.bus.create_subscription("told", "job-events")
        farm.bus.create_subscription("due", "notifications")

    def organization(self, time_zone: str = "UTC") -> None:
        """Its document, which a farm can do without."""
        identity = self.farm.organization
        record = Organization(organization_id=identity, name="farm", time_zone=time_zone, created_at=self.farm.now)
        self.documents.commit(Create(f"organizations/{identity}", record.data()))

    def context(self, organization_id: str | None = None) -> Context:
        """A call of an administrator's, of this organization or another."""
        caller = Caller("user:admin", organization_id=organization_id or self.farm.organization, user_id="admin")
        return self._as(caller)

    def event(self) -> Context:
        """A function that nobody calls."""
        return self._as(SYSTEM)

    def _as(self, caller: Caller) -> Context:
        context = self.farm.context()
        policy = replace(context.policy, webhook_hosts=frozenset({"*"}), mail=True)
        return replace(context, caller=caller, platform=cast(Platform, self._ports), policy=policy)

    def channel(self, kind: ChannelKind = "webhook", *, printers: Sequence[str] | None = None, **fields: Any) -> str:
        """A new channel; its id."""
        return self.set_up(kind, Wish({"name": "hall", **fields}, printers=printers)).channel.channel_id

    def set_up(self, kind: ChannelKind, wish: Wish, once: Once = NO_KEY) -> Told:
        """A new channel as it is wished, at an address that does for its kind."""
        address = {
            "webhook": "https://hooks.example.org/farm",
            "ntfy": "https://ntfy.sh/farm-of-mine",
            "discord": "https://discord.com/api/webhooks/1/a-token",
            "slack": "https://hooks.slack.com/services/T/B/secret",
            "email": "anna@example.org",
        }[kind]
        return channels.create(self.context(), kind, replace(wish, address=wish.address or address), once)

    def tells(self, path: str, act: Callable[[], object]) -> list[JobEvent]:
        """What the triggers publish of what is done to a document."""
        before = self.documents.get(path)
        act()
        after = self.documents.get(path)
        change = Change(new_id(), path, before.data if before else None, after.data if after else None)
        handle = {"print_jobs": job_written, "printer_commands": command_ended, "printer_events": event_written}
        handle[path.partition("/")[0]].handle(change, self.event())
        return [JobEvent.model_validate_json(data) for data in self._pulled("told")]

    def job(self, job_id: str, act: Callable[[], object]) -> None:
        """Something is done to a job, and whoever is to be told of it is."""
        for message in self.tells(f"print_jobs/{job_id}", act):
            self.deliver(message)

    def deliver(self, message: JobEvent) -> None:
        """The message reaches its function, which passes over what it has dealt with, as the runtime has it do."""
        context = self.event()
        effect = Effect(CONSUMER, message.event_id, message.organization_id, self.farm.now)
        if effect.done(context):
            return
        try:
            job_announced.handle(message, effect, context)
        except PreconditionFailed:
            assert effect.done(context)

    def deliveries(self, channel_id: str | None = None) -> list[Delivery]:
        """All that is or was to be sent, or what was over one channel, in the order of what is told."""
        where = [Where("organizationId", "==", self.farm.organization)]
        found = map(Delivery.of, self.documents.query(Query("notification_deliveries", where)))
        mine = [each for each in found if channel_id in (None, each.channel_id)]
        return sorted(mine, key=lambda each: (each.notice.occurred_at, each.event_type))

    def types(self, channel_id: str | None = None) -> list[str]:
        """Of what is told."""
        return [each.event_type for each in self.deliveries(channel_id)]

    def announced(self) -> list[str]:
        """The deliveries that were announced since it was asked last."""
        return [NotificationEvent.model_validate_json(data).delivery_id for data in self._pulled("due")]

    def _pulled(self, subscription: str) -> list[bytes]:
        found = self.farm.bus.pull(subscription, 1000, 0.0)
        self.farm.bus.acknowledge(subscription, [each.ack_id for each in found])
        return [each.data for each in found]
