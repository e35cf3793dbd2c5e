"""A printer's status by its id: reported, asked for, and what is kept of it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from printpipe.domain.errors import DomainError, Forbidden, InvalidInput, NotFound
from printpipe.domain.ports.documents import Update
from printpipe.domain.tenancy import Caller
from printpipe.services.printers import status_history, status_reports
from printpipe.services.printers.status_reports import Report, Taken
from printpipe.services.store.paging import Slice
from tests.cloud import Cloud, Site
from tests.contract.reporting import IDLE, NOON, SERIALS, Instance, history_of, printer_of

ONE_BACKEND_AT_REDUCED_COUNTS = True

WHOLE = Slice(200)


@pytest.fixture
def instance(cloud: Cloud, site: Site) -> Instance:
    member = Caller("user:1", organization_id=site.organization)
    return Instance(cloud, site.lan_recipient, caller=member)


@pytest.fixture
def printer_id(instance: Instance) -> str:
    """A printer that reported at noon."""
    return str(instance.report(SERIALS[0], IDLE, ip="192.168.1.50").printer_id)


def post(instance: Instance, printer_id: str, status: dict[str, Any], **more: Any) -> Taken:
    """A report that is to be kept."""
    return status_reports.report_of(instance.context, printer_id, Report(None, None, status, keep=True, **more))


def test_a_report_by_id_is_kept_whatever_it_shows(instance: Instance, printer_id: str) -> None:
    for number in (2, 3, 4):
        instance.later(seconds=1)
        assert instance.cost(lambda: post(instance, printer_id, IDLE)) == (1, 2)
        taken = f"{printer_id}-{number}"
        assert taken in {each["updateId"] for each in history_of(instance.cloud, instance.recipient)}
    data = printer_of(instance.cloud, instance.recipient, SERIALS[0]).data
    assert (data["state"]["version"], data["ipAddress"], data["plateCleared"]) == (4, "192.168.1.50", True)
    instance.later(seconds=1)
    assert instance.cost(lambda: instance.report(SERIALS[0], IDLE)) == (0, 0)
    post(instance, printer_id, {"state": "printing"})
    assert printer_of(instance.cloud, instance.recipient, SERIALS[0]).data["plateCleared"] is False


def test_an_older_report_is_kept_and_changes_nothing(instance: Instance, printer_id: str) -> None:
    before = printer_of(instance.cloud, instance.recipient, SERIALS[0])
    early = NOON - timedelta(seconds=5)
    taken = post(instance, printer_id, {"state": "printing"}, at=early)
    assert printer_of(instance.cloud, instance.recipient, SERIALS[0]).version == before.version
    (kept,) = [each for each in history_of(instance.cloud, instance.recipient) if each["timestamp"] == early]
    assert (kept["updateId"], kept["printerId"], kept["printerSerial"]) == (
        taken.status_update_id,
        printer_id,
        SERIALS[0],
    )


def test_a_report_by_id_meets_those_by_serial(instance: Instance, printer_id: str) -> None:
    other = Instance(instance.cloud, instance.recipient)
    for number, at in enumerate((instance, other, instance)):
        instance.later(seconds=1)
        other.now = instance.now
        assert post(at, printer_id, {"state": "idle", "bedTemp": number}).printer_id == printer_id
        at.report(SERIALS[0], {"state": "idle", "bedTemp": number + 10})
    state = printer_of(instance.cloud, instance.recipient, SERIALS[0]).data["state"]
    assert (state["version"], state["status"]["bedTemp"]) == (7, 12)


def strangers(site: Site, other: Site) -> dict[str, tuple[Caller, type[DomainError]]]:
    return {
        "another organization": (Caller("user:2", organization_id=other.organization), NotFound),
        "nobody": (Caller("nobody", organization_id="", recipient_ids=frozenset()), NotFound),
        "a key for another site": (
            Caller("key", organization_id=site.organization, recipient_ids=frozenset({site.agent_recipient})),
            Forbidden,
        ),
    }


@pytest.mark.parametrize("who", ["another organization", "nobody", "a key for another site"])
def test_a_stranger_learns_and_changes_nothing(
    cloud: Cloud, site: Site, instance: Instance, printer_id: str, who: str
) -> None:
    caller, refusal = strangers(site, cloud.new_site())[who]
    before = cloud.stored(site.organization)
    at = replace(instance, caller=caller)
    for act in (
        lambda: post(at, printer_id, {"state": "printing"}),
        lambda: status_history.latest(at.context, printer_id),
        lambda: status_history.history(at.context, printer_id, None, None, WHOLE),
    ):
        with pytest.raises(refusal) as raised:
            act()
        assert raised.value.field == ("printer_id" if refusal is NotFound else "recipientId")
    assert cloud.stored(site.organization) == before


def test_a_deleted_printer_is_not_found(instance: Instance, printer_id: str) -> None:
    instance.cloud.backend.documents.commit(Update(f"printers/{printer_id}", {"deletedAt": instance.now}))
    for name in (printer_id, "nothing"):
        with pytest.raises(NotFound):
            status_history.latest(instance.context, name)
        with pytest.raises(NotFound):
            status_history.history(instance.context, name, None, None, WHOLE)
        with pytest.raises(NotFound):
            post(instance, name, IDLE)
    assert len(history_of(instance.cloud, instance.recipient)) == 1


def test_the_latest_is_the_state_that_stands(instance: Instance, printer_id: str) -> None:
    instance.later(seconds=1)
    instance.report(SERIALS[0], IDLE | {"bedTemp": 40})
    printer = status_history.latest(instance.context, printer_id)
    assert printer.state is not None
    assert (printer.state.status["bedTemp"], printer.state.version) == (40, 2)
    assert instance.cost(lambda: status_history.latest(instance.context, printer_id)) == (1, 0)


def test_the_history_is_paged_newest_first(instance: Instance, printer_id: str) -> None:
    instance.report(SERIALS[1], IDLE)
    instance.report(None, IDLE, ip="192.168.1.99")
    for minutes in range(1, 8):
        instance.now = NOON + timedelta(minutes=minutes)
        post(instance, printer_id, {"state": "idle", "bedTemp": minutes})
    pages, cursor = [], None
    while True:
        page = status_history.history(instance.context, printer_id, None, None, Slice(3, cursor))
        pages.append([each.status["bedTemp"] for each in page.items])
        cursor = page.next_cursor
        if cursor is None:
            break
    assert pages == [[7, 6, 5], [4, 3, 2], [1, 22]]
    read = lambda: status_history.history(instance.context, printer_id, None, None, Slice(3))  # noqa: E731
    assert instance.cost(read) == (1 + 4, 0)
    with pytest.raises(InvalidInput):
        status_history.history(instance.context, printer_id, None, None, Slice(3, "nonsense"))


RANGES = [
    (None, None, [4, 3, 2, 1, 22]),
    (2, None, [4, 3, 2]),
    (None, 2, [2, 1, 22]),
    (1, 3, [3, 2, 1]),
    (5, None, []),
    (3, 1, []),
]


@pytest.mark.parametrize(("since", "until", "shown"), RANGES)
def test_the_history_between_two_moments(
    instance: Instance, printer_id: str, since: int | None, until: int | None, shown: list[int]
) -> None:
    for minutes in range(1, 5):
        instance.now = NOON + timedelta(minutes=minutes)
        post(instance, printer_id, {"state": "idle", "bedTemp": minutes})
    first, last = (None if each is None else NOON + timedelta(minutes=each) for each in (since, until))
    page = status_history.history(instance.context, printer_id, first, last, WHOLE)
    assert [each.status["bedTemp"] for each in page.items] == shown
