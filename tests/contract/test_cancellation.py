"""Cancelling a job, wherever it stands: nothing begins after it, and what has begun is stopped once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from printpipe.domain.ports.documents import Update
from tests.cloud import Cloud, Site
from tests.contract.order_desk import PRODUCT, Desk, Json, refused

ONE_BACKEND_AT_REDUCED_COUNTS = True


@pytest.fixture
def desk(cloud: Cloud, site: Site) -> Desk:
    return Desk(cloud, site)


@pytest.fixture
def job(cloud: Cloud, site: Site, desk: Desk) -> str:
    """A job of three plates at the agent's site."""
    cloud.upload(site.agent_recipient, PRODUCT)
    return str(desk.order(plates_requested=3)["id"])


def printing(desk: Desk, job: str) -> Json:
    """Sends the job, and brings it to print at a new printer."""
    printer = desk.printer()
    desk.send(job)
    (start,) = desk.claim()
    desk.carry_out(start)
    desk.event(job, "job_started")
    assert desk.show(job)["status"] == "printing"
    return printer


def test_a_held_and_a_waiting_job_end_at_once(desk: Desk, job: str) -> None:
    waiting = desk.order()["id"]
    desk.send(waiting)
    for each in (job, waiting):
        ended = desk.cancel(each, reason="Wrong colour")
        assert (ended["status"], ended["reason"], ended["ended_at"] is not None) == ("cancelled", "Wrong colour", True)
        assert desk.cancel(each) == ended
        assert refused(desk.call("POST", f"/{each}/send"), 409)
    desk.printer()
    assert desk.claim() == []
    path = f"/api/v1/organizations/{desk.site.organization}/audit"
    entries = desk.cloud.call("GET", path, key=desk.site.organization_key).json()["entries"]
    assert sum(each["action"] == "job.cancelled" for each in entries) == 2


def test_a_start_that_the_agent_has_not_taken_is_withdrawn(desk: Desk, job: str) -> None:
    printer = desk.printer()
    desk.send(job)
    (start,) = desk.starts(job)
    assert desk.cancel(job)["status"] == "cancelled"
    assert desk.cloud.document(f"printer_commands/{start['commandId']}").data["status"] == "cancelled"
    assert desk.claim() == []
    assert desk.starts(job, "stop") == []
    assert desk.cloud.document(f"printers/{printer['id']}").data["occupants"] == {}


def test_a_claim_and_a_cancel_at_once_end_in_a_withdrawn_start_or_in_a_stop(desk: Desk, job: str) -> None:
    desk.printer()
    desk.send(job)
    with ThreadPoolExecutor(2) as pool:
        claimed, cancelled = pool.submit(desk.claim), pool.submit(desk.cancel, job)
    if cancelled.result()["status"] == "cancelled":
        assert claimed.result() == []
    else:
        assert [each["commandType"] for each in [*claimed.result(), *desk.claim()]] == ["start_print", "stop"]


@pytest.mark.parametrize("again", [False, True])
def test_a_print_is_stopped_once_and_ends_when_the_stop_does(desk: Desk, job: str, *, again: bool) -> None:
    printer = printing(desk, job)
    asked = desk.cancel(job, reason="Spaghetti")
    assert (asked["status"], asked["cancel_requested"], asked["ended_at"]) == ("printing", True, None)
    if again:
        assert desk.cancel(job)["cancel_requested"] is True
    (stop,) = desk.claim()
    assert (stop["commandType"], stop["printerSerial"], stop["lane"]) == ("stop", printer["serial"], "priority")
    assert stop["metadata"] == {"printJobId": job}
    if again:
        assert desk.cancel(job)["status"] == "printing"
        assert desk.claim() == []
    desk.carry_out(stop)
    ended = desk.show(job)
    assert (ended["status"], ended["reason"]) == ("cancelled", "Spaghetti")
    assert [each["status"] for each in ended["runs"]] == ["cancelled"]
    assert desk.cancel(job)["status"] == "cancelled"
    desk.event(job, "job_failed")
    desk.clear(printer)
    assert (desk.show(job)["status"], desk.claim(), len(desk.starts(job))) == ("cancelled", [], 1)


def test_many_cancels_at_once_are_one_stop(desk: Desk, job: str) -> None:
    printing(desk, job)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: desk.cancel(job), range(6)))
    assert len(desk.starts(job, "stop")) == 1


@pytest.mark.parametrize(
    ("event", "end"), [("job_cancelled", "cancelled"), ("job_failed", "cancelled"), ("job_completed", "cancelled")]
)
def test_the_printers_word_ends_it_too_and_no_run_follows(desk: Desk, job: str, event: str, end: str) -> None:
    printer = printing(desk, job)
    desk.cancel(job)
    desk.event(job, event)
    ended = desk.show(job)
    assert (ended["status"], ended["plates_completed"]) == (end, int(event == "job_completed"))
    for stop in desk.claim():
        desk.carry_out(stop)
    desk.clear(printer)
    assert (desk.show(job)["status"], desk.claim(), len(desk.starts(job))) == (end, [], 1)


def test_the_last_plate_that_completes_in_spite_of_it_completes_the_job(desk: Desk, cloud: Cloud, site: Site) -> None:
    cloud.upload(site.agent_recipient, PRODUCT)
    job = desk.order()["id"]
    printing(desk, job)
    desk.cancel(job)
    desk.event(job, "job_completed")
    assert desk.show(job)["status"] == "completed"
    assert "completed already" in refused(desk.call("POST", f"/{job}/cancel"), 409)


def test_between_two_plates_it_ends_at_once(desk: Desk, job: str) -> None:
    printer = printing(desk, job)
    desk.event(job, "job_completed")
    assert desk.show(job)["status"] == "queued"
    ended = desk.cancel(job)
    assert (ended["status"], ended["plates_completed"]) == ("cancelled", 1)
    desk.clear(printer)
    assert desk.claim() == []


def test_a_second_run_that_is_not_taken_is_withdrawn(desk: Desk, job: str) -> None:
    printer = printing(desk, job)
    desk.event(job, "job_completed")
    desk.clear(printer)
    assert len(desk.starts(job)) == 2
    assert desk.cancel(job)["status"] == "cancelled"
    assert desk.claim() == []


def test_a_stop_that_nobody_took_in_time_is_sent_anew(desk: Desk, job: str) -> None:
    printing(desk, job)
    desk.cancel(job)
    (first,) = desk.starts(job, "stop")
    past = datetime.now(UTC) - timedelta(seconds=1)
    desk.cloud.backend.documents.commit(Update(f"printer_commands/{first['commandId']}", {"expiresAt": past}))
    desk.cancel(job)
    assert len(desk.starts(job, "stop")) == 2


def test_a_claimed_start_is_stopped(desk: Desk, job: str) -> None:
    desk.printer()
    desk.send(job)
    (start,) = desk.claim()
    assert desk.cancel(job)["status"] == "claimed"
    (stop,) = desk.claim()
    desk.carry_out(stop)
    assert desk.show(job)["status"] == "cancelled"
    desk.carry_out(start, "failed")
    assert desk.show(job)["status"] == "cancelled"


def test_what_a_polling_client_may_have_seen_is_stopped_and_not_shown_again(desk: Desk, cloud: Cloud) -> None:
    site, lan = desk.site, desk.site.lan_recipient
    cloud.upload(lan, PRODUCT)
    job = desk.order()["id"]
    desk.printer(lan)
    desk.send(job)
    poll = f"/control?recipientId={lan}"
    shown = [each["commandType"] for each in cloud.call("GET", poll, key=site.lan_key).json()["commands"]]
    assert shown == ["start_print"]
    asked = desk.cancel(job)
    assert (asked["status"], asked["cancel_requested"]) == ("queued", True)
    (stop,) = cloud.call("GET", poll, key=site.lan_key).json()["commands"]
    assert (stop["commandType"], stop["metadata"]) == ("stop", {"printJobId": job})
    result = {"recipientId": lan, "commandId": stop["commandId"], "status": "completed"}
    assert cloud.call("POST", "/control/result", key=site.lan_key, json=result).status_code == 200
    assert desk.show(job)["status"] == "cancelled"
    assert [each["status"] for each in desk.starts(job)] == ["cancelled"]
    assert cloud.call("GET", poll, key=site.lan_key).json()["commands"] == []


def test_a_start_that_no_client_took_ends_as_cancelled(desk: Desk, cloud: Cloud) -> None:
    cloud.upload(desk.site.lan_recipient, PRODUCT)
    job = desk.order()["id"]
    desk.printer(desk.site.lan_recipient)
    desk.send(job)
    assert desk.cancel(job)["status"] == "queued"
    (start,) = desk.starts(job)
    past = datetime.now(UTC) - timedelta(minutes=10)
    cloud.backend.documents.commit(Update(f"printer_commands/{start['commandId']}", {"expiresAt": past}))
    cloud.fire("trigger-command-sweep")
    assert (desk.show(job)["status"], len(desk.starts(job))) == ("cancelled", 1)


def test_a_job_that_a_client_took_for_itself_ends_at_once_until_it_prints(desk: Desk, cloud: Cloud) -> None:
    lan = desk.site.lan_recipient
    cloud.upload(lan, PRODUCT)
    first, second = desk.order()["id"], desk.order()["id"]
    for job in (first, second):
        body = {"recipientId": lan, "printerId": "printer-7", "jobId": job}
        assert cloud.call("POST", "/api/apps/a/functions/claimJob", key=desk.site.lan_key, json=body).ok
    assert desk.cancel(first)["status"] == "cancelled"
    desk.event(second, "job_started", lan)
    assert "printer" in refused(desk.call("POST", f"/{second}/cancel"), 409)
    assert desk.tell(second, status="canceled")["status"] == "cancelled"


def test_one_key_is_for_one_request(desk: Desk, job: str) -> None:
    assert desk.call("POST", f"/{job}/cancel", key="once").status_code == 200
    assert desk.call("POST", f"/{job}/cancel", key="once").status_code == 200
    assert refused(desk.call("POST", f"/{job}/cancel", {"reason": "else"}, key="once"), 409)
