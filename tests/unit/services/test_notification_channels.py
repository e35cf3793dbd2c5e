"""Channels for notifications: what may be set up, what of it is shown, and what is kept of it."""

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from printpipe.domain.errors import Conflict, Forbidden, InvalidInput, NotFound
from printpipe.domain.ids import NO_KEY, Once
from printpipe.domain.notifications import MOST_CHANNELS, ChannelKind
from printpipe.domain.ports.documents import Query, Update
from printpipe.domain.ports.keys import Undecipherable
from printpipe.services.notifications import channel_secrets, channels
from printpipe.services.notifications.channels import Told, Wish
from tests.farm import Farm, embedded_farm
from tests.notified import Notified


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    return embedded_farm(tmp_path)


@pytest.fixture
def notified(farm: Farm, tmp_path: Path) -> Notified:
    made = Notified(farm, tmp_path)
    made.organization()
    return made


def wish(**fields: Any) -> Wish:
    return Wish({"name": "hall", **fields})


def change(notified: Notified, channel_id: str, *, changed: Wish | None = None, **fields: Any) -> Told:
    return channels.change(notified.context(), channel_id, changed or Wish(fields))


def test_a_webhook_has_a_secret_of_its_own_that_is_told_once(notified: Notified) -> None:
    told = notified.set_up("webhook", wish())
    assert told.secret is not None
    assert len(told.secret) >= 43
    assert channel_secrets.secret_of(notified.context(), told.channel) == told.secret
    assert notified.set_up("webhook", wish()).secret != told.secret

    again = change(notified, told.channel.channel_id, name="yard")
    assert again.secret is None
    rotated = change(notified, told.channel.channel_id, changed=Wish({}, rotated=True))
    assert rotated.secret not in (None, told.secret)
    assert channel_secrets.secret_of(notified.context(), rotated.channel) == rotated.secret


@pytest.mark.parametrize("kind", ["ntfy", "discord", "slack", "email"])
def test_the_others_have_none(notified: Notified, kind: ChannelKind) -> None:
    told = notified.set_up(kind, wish())
    assert (told.secret, told.channel.secret) == (None, None)
    with pytest.raises(InvalidInput) as refused:
        change(notified, told.channel.channel_id, changed=Wish({}, rotated=True))
    assert refused.value.field == "rotate_secret"


def test_a_server_of_ntfy_may_want_a_token_and_nothing_else_takes_one(notified: Notified) -> None:
    channel = notified.set_up("ntfy", dataclasses.replace(wish(), token="tk_secret")).channel
    assert channel_secrets.secret_of(notified.context(), channel) == "tk_secret"
    assert change(notified, channel.channel_id, changed=Wish({}, token="")).channel.secret is None
    for kind in ("webhook", "discord", "slack", "email"):
        with pytest.raises(InvalidInput) as refused:
            notified.set_up(kind, dataclasses.replace(wish(), token="tk_secret"))
        assert refused.value.field == "secret"


def test_nothing_that_is_stored_holds_an_address_or_a_secret_in_clear(farm: Farm, notified: Notified) -> None:
    hidden = ["/farm", "farm-of-mine", "a-token", "T/B/secret", "anna@", "tk_secret"]
    for kind in ("webhook", "ntfy", "discord", "slack", "email"):
        token = "tk_secret" if kind == "ntfy" else None
        told = notified.set_up(kind, dataclasses.replace(wish(), token=token), Once("route", f"key-{kind}", "digest"))
        hidden += [told.secret] if told.secret else []
    tables = ("notification_channels", "audit_log", "idempotency_keys", "organizations")
    stored = [str(dict(each.data)) for table in tables for each in farm.documents.query(Query(table))]
    assert len(stored) == 16
    assert [each for each in hidden if any(each in text for text in stored)] == []


def test_what_tells_an_address_from_another_does_not_tell_the_address(notified: Notified) -> None:
    hints = {kind: notified.set_up(kind, wish()).channel.address_hint for kind in ("webhook", "discord", "email")}
    assert hints == {"webhook": "hooks.example.org", "discord": "discord.com", "email": "a…@example.org"}


def test_a_sealed_address_is_good_for_its_own_channel_alone(farm: Farm, notified: Notified) -> None:
    one, other = notified.set_up("webhook", wish()).channel, notified.set_up("webhook", wish()).channel
    swapped = other.model_copy(update={"address": one.address})
    with pytest.raises(Undecipherable):
        channel_secrets.address_of(notified.context(), swapped)


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("webhook", "http://hooks.example.org/"),
        ("webhook", "https://127.0.0.1/"),
        ("webhook", "https://user:pw@hooks.example.org/"),
        ("ntfy", "https://ntfy.sh/"),
        ("discord", "https://discord.example.org/api/webhooks/1/a"),
        ("slack", "https://hooks.slack.com.example.org/services/T"),
        ("email", "anna"),
        ("email", "anna@example.org\r\nBcc: eve@example.org"),
    ],
)
def test_nothing_is_sent_to_what_is_no_address(notified: Notified, kind: ChannelKind, address: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        notified.set_up(kind, dataclasses.replace(wish(), address=address))
    assert refused.value.field == "address"
    channel_id = notified.channel(kind)
    with pytest.raises(InvalidInput):
        change(notified, channel_id, changed=Wish({}, address=address))


def test_printers_go_by_any_of_their_names_but_must_be_there(farm: Farm, notified: Notified) -> None:
    printer = farm.printer()
    serial = str(farm.at(printer).serial)
    channel = notified.set_up("slack", dataclasses.replace(wish(), printers=[serial, printer])).channel
    assert channel.printer_ids == (printer,)
    assert change(notified, channel.channel_id, changed=Wish({}, printers=[])).channel.printer_ids == ()
    with pytest.raises(InvalidInput) as refused:
        notified.set_up("slack", dataclasses.replace(wish(), printers=["nobody's"]))
    assert refused.value.field == "printer_ids"


def test_a_channel_that_is_switched_on_again_begins_anew(farm: Farm, notified: Notified) -> None:
    channel_id = notified.channel()
    off = {"active": False, "failures": 6, "disabledReason": "Nothing could be sent", "disabledAt": farm.now}
    farm.documents.commit(Update(f"notification_channels/{channel_id}", off))
    renamed = change(notified, channel_id, name="yard").channel
    assert (renamed.active, renamed.failures, renamed.disabled_reason) == (False, 6, "Nothing could be sent")
    on = change(notified, channel_id, active=True).channel
    assert (on.active, on.failures, on.disabled_reason, on.disabled_at) == (True, 0, None, None)
    assert channels.get(notified.context(), channel_id) == on


def test_who_changed_what_is_kept_and_what_changes_nothing_is_not(farm: Farm, notified: Notified) -> None:
    channel_id = notified.channel()
    change(notified, channel_id, name="hall")
    change(notified, channel_id, name="yard", active=False)
    channels.remove(notified.context(), channel_id)
    kept = [each.data for each in farm.documents.query(Query("audit_log", order=[("action", "asc")]))]
    assert [(each["action"], each["detail"], each["subject"]) for each in kept] == [
        ("notification_channel.changed", "yard (webhook): active, name", channel_id),
        ("notification_channel.created", "hall (webhook)", channel_id),
        ("notification_channel.removed", "yard (webhook)", channel_id),
    ]


def test_the_same_call_again_tells_the_same_secret(notified: Notified) -> None:
    once = Once("route", "key", "digest")
    first, again = (notified.set_up("webhook", wish(), once) for _ in range(2))
    assert (first.secret, first.channel) == (again.secret, again.channel)
    assert len(channels.listed(notified.context())) == 1
    other = dataclasses.replace(wish(), address="https://other.example.org/")
    for asked, key in ((wish(), once.also("other")), (other, once)):
        with pytest.raises(Conflict):
            notified.set_up("webhook", asked, key)


def test_an_organization_has_so_many_and_not_one_more_however_many_are_set_up_at_once(notified: Notified) -> None:
    for _ in range(MOST_CHANNELS - 3):
        notified.channel("email")
    gate = Barrier(6)

    def try_it(_: int) -> bool:
        gate.wait()
        try:
            notified.channel("email")
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(try_it, range(6))) == 3
    listed = channels.listed(notified.context())
    assert len(listed) == MOST_CHANNELS
    channels.remove(notified.context(), listed[0].channel_id)
    notified.channel("email")


def test_nobody_sees_or_touches_those_of_others(farm: Farm, notified: Notified) -> None:
    channel_id = notified.channel()
    stranger = notified.context("another")
    calls: list[Callable[[], object]] = [
        partial(channels.get, stranger, channel_id),
        partial(channels.change, stranger, channel_id, Wish({"name": "mine"})),
        partial(channels.remove, stranger, channel_id),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()
    assert channels.listed(stranger) == []
    printer = farm.printer()
    with pytest.raises(InvalidInput):
        channels.create(stranger, "email", Wish({"name": "x"}, [printer], "eve@example.org"), NO_KEY)


def test_a_key_for_single_sites_has_no_say(farm: Farm, notified: Notified) -> None:
    """What a channel tells of is at every site of the organization."""
    context = notified.context()
    narrow = dataclasses.replace(
        context, caller=dataclasses.replace(context.caller, recipient_ids=frozenset({farm.site}))
    )
    channel_id = notified.channel()
    for call in (partial(channels.listed, narrow), partial(channels.get, narrow, channel_id)):
        with pytest.raises(Forbidden):
            call()
