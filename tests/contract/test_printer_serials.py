"""Printers that get their serial from a report, and serials whose printer was deleted."""

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from printpipe.domain.ports.documents import Create, Document, Update
from printpipe.domain.printer_records import Printer
from printpipe.services.printers import printers, status_reports
from printpipe.services.printers.status_reports import Report, Taken
from tests.cloud import Cloud, Site
from tests.contract.reporting import IDLE, SERIALS, Instance, history_of, printer_of

ONE_BACKEND_AT_REDUCED_COUNTS = True

ADDRESS = "192.168.1.50"


@pytest.fixture
def instance(cloud: Cloud, site: Site) -> Instance:
    return Instance(cloud, site.lan_recipient)


def registered(instance: Instance, address: str = ADDRESS, **more: Any) -> Printer:
    """A printer that a person entered without its serial."""
    context = instance.context
    blank = printers.new(context, context.recipient(instance.recipient), None, address, active=True)
    printer = blank.model_copy(update={"name": "Left", **more})
    context.documents.commit(*printers.creation(context, printer, None))
    return printer


def all_printers(instance: Instance) -> dict[str, Document]:
    """By id."""
    return {each.id: each for each in instance.cloud.documents("printers", instance.recipient)}


def test_a_report_gives_a_registered_printer_its_serial(instance: Instance) -> None:
    printer = registered(instance)
    costs = [instance.cost(lambda: instance.report(SERIALS[0], IDLE, ip=ADDRESS))]
    (found,) = all_printers(instance).values()
    data = found.data
    assert (found.id, data["serial"], data["name"], data["active"]) == (printer.printer_id, SERIALS[0], "Left", True)
    assert (data["state"]["status"], data["state"]["version"], data["plateCleared"]) == (IDLE, 1, True)
    alias = instance.cloud.document(f"printer_aliases/{data['organizationId']}_serial_{SERIALS[0]}")
    assert alias.data["printerId"] == printer.printer_id
    (sample,) = history_of(instance.cloud, instance.recipient)
    assert (sample["printerId"], sample["printerSerial"]) == (printer.printer_id, SERIALS[0])
    for degrees in (30, 31):
        instance.later(seconds=15)
        warmer = IDLE | {"bedTemp": degrees}
        costs.append(instance.cost(partial(instance.report, SERIALS[0], warmer, ip=ADDRESS)))
    assert costs == [(2, 3), (0, 1), (0, 1)]  # no alias, the one that is awaited; the printer, its alias, a sample


def test_a_printer_that_reported_by_its_address_goes_on_from_there(instance: Instance) -> None:
    printer = registered(instance)
    instance.report(None, {"state": "printing"}, ip=ADDRESS)
    instance.later(seconds=15)
    taken = instance.report(SERIALS[0], {"state": "printing"}, ip=ADDRESS)
    assert (taken.status_update_id, taken.printer_id) == (f"{printer.printer_id}-2", printer.printer_id)
    data = printer_of(instance.cloud, instance.recipient, SERIALS[0]).data
    assert (data["state"]["version"], data["plateCleared"]) == (2, False)


def test_an_older_report_gives_no_serial_and_the_next_one_does(instance: Instance) -> None:
    printer = registered(instance)
    early = instance.now
    instance.later(minutes=1)
    instance.report(None, IDLE, ip=ADDRESS)
    instance.report(SERIALS[0], {"state": "printing"}, early, ip=ADDRESS)
    assert instance.cloud.document(f"printers/{printer.printer_id}").data["serial"] is None
    instance.later(seconds=1)
    instance.report(SERIALS[0], IDLE, ip=ADDRESS)
    assert printer_of(instance.cloud, instance.recipient, SERIALS[0]).id == printer.printer_id


OTHERS: dict[str, dict[str, Any]] = {
    "elsewhere": {"ip_address": "192.168.1.51"},
    "not in use": {"active": False},
    "deleted": {"deleted": True},
    "of another site": {"elsewhere": True},
    "two of them": {"twice": True},
}


@pytest.mark.parametrize("case", OTHERS)
def test_another_printer_is_not_taken_for_it(instance: Instance, site: Site, case: str) -> None:
    more = dict(OTHERS[case])
    at = Instance(instance.cloud, site.agent_recipient) if more.pop("elsewhere", False) else instance
    for _ in range(2 if more.pop("twice", False) else 1):
        registered(at, **({"deleted_at": at.now} if more.pop("deleted", False) else more))
    before = all_printers(instance)
    instance.report(SERIALS[0], IDLE, ip=ADDRESS)
    new = printer_of(instance.cloud, instance.recipient, SERIALS[0])
    assert new.id not in before
    assert new.data["active"] is False
    now = all_printers(instance)
    assert all(now[name].version == each.version for name, each in before.items())


def test_two_printers_that_report_from_one_address_are_both_new(instance: Instance) -> None:
    printer = registered(instance)
    seen = [Report(serial, ADDRESS, IDLE) for serial in SERIALS[:2]]
    taken = status_reports.report_all(instance.context, instance.recipient, seen)
    assert all(isinstance(each, Taken) and each.printer_id != printer.printer_id for each in taken)
    assert all_printers(instance)[printer.printer_id].data["serial"] is None


def test_a_batch_gives_each_its_own(instance: Instance) -> None:
    mine = [registered(instance, f"192.168.1.{number}").printer_id for number in range(4)]
    seen = [Report(serial, f"192.168.1.{number}", IDLE) for number, serial in enumerate(SERIALS)]
    taken: list[Any] = []
    act = lambda: taken.extend(status_reports.report_all(instance.context, instance.recipient, seen))  # noqa: E731
    assert instance.cost(act) == (5 + 4, 5 * 3)
    assert [each.printer_id for each in taken][:4] == mine
    assert len(all_printers(instance)) == 5


def test_instances_that_race_give_it_one_serial(instance: Instance) -> None:
    printer = registered(instance)
    instances = [Instance(instance.cloud, instance.recipient) for _ in range(6)]
    gate = threading.Barrier(len(instances))

    def run(index: int) -> str | None:
        gate.wait()
        return instances[index].report(SERIALS[index % 2], {"bedTemp": index}, ip=ADDRESS).printer_id

    with ThreadPoolExecutor(len(instances)) as pool:
        named = list(pool.map(run, range(len(instances))))
    found = all_printers(instance)
    assert len(found) == 2
    for index, name in enumerate(named):
        assert found[str(name)].data["serial"] == SERIALS[index % 2]
    assert found[printer.printer_id].data["serial"] in SERIALS[:2]


def delete(instance: Instance, path: str) -> None:
    """A person deletes the printer."""
    instance.cloud.backend.documents.commit(Update(path, {"deletedAt": instance.now, "active": False}))


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same instance", "another instance"])
def test_a_deleted_printer_stays_so_and_its_serial_is_seen_anew(instance: Instance, *, elsewhere: bool) -> None:
    instance.report(SERIALS[0], IDLE, ip=ADDRESS)
    first = printer_of(instance.cloud, instance.recipient, SERIALS[0])
    delete(instance, first.path)
    gone = instance.cloud.document(first.path)
    instance.later(seconds=61)
    at = Instance(instance.cloud, instance.recipient, instance.now) if elsewhere else instance
    taken = at.report(SERIALS[0], {"state": "printing"}, ip=ADDRESS)
    assert instance.cloud.document(first.path).version == gone.version
    new = instance.cloud.document(f"printers/{taken.printer_id}").data
    assert (new["serial"], new["active"], new["deletedAt"], new["plateCleared"]) == (SERIALS[0], False, None, False)
    instance.later(seconds=1)
    assert instance.report(None, {"state": "printing"}, ip=ADDRESS).printer_id == taken.printer_id
    assert instance.report(SERIALS[0], {"state": "paused"}).printer_id == taken.printer_id
    assert len(all_printers(instance)) == 2


def test_a_deleted_printer_is_not_found_at_its_address(instance: Instance) -> None:
    printer = registered(instance)
    delete(instance, f"printers/{printer.printer_id}")
    assert instance.report(None, IDLE, ip=ADDRESS).printer_id is None


def test_a_deleted_printers_serial_goes_to_the_one_registered_in_its_place(instance: Instance) -> None:
    instance.report(SERIALS[0], IDLE, ip=ADDRESS)
    delete(instance, printer_of(instance.cloud, instance.recipient, SERIALS[0]).path)
    printer = registered(instance)
    instance.later(seconds=1)
    assert instance.report(SERIALS[0], {"state": "paused"}, ip=ADDRESS).printer_id == printer.printer_id


def test_a_printer_without_a_serial_has_no_alias(instance: Instance) -> None:
    printer, context = registered(instance), instance.context
    assert printers.creation(context, printer, None) == [
        Create(printers.path(context, printer.printer_id), printer.data())
    ]
