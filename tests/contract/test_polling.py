"""What a polling LAN client is shown: it carries everything out, so that nothing must be shown that does harm."""

from typing import Any

from printpipe.domain.ports.documents import Update
from tests.cloud import Cloud, Site

ONE_BACKEND_AT_REDUCED_COUNTS = True

SERIAL = "01P00A381200434"


def _poll(cloud: Cloud, site: Site) -> list[tuple[str, str]]:
    answer = cloud.call("GET", f"/control?recipientId={site.lan_recipient}&apiKey={site.lan_key}")
    return [(each["commandId"], each["commandType"]) for each in answer.json()["commands"]]


def _queue(cloud: Cloud, site: Site, command: str, **metadata: Any) -> str:
    return cloud.queue(site.lan_recipient, command, metadata, printerSerial=SERIAL)


def _start(cloud: Cloud, site: Site, status: str = "queued") -> tuple[str, str]:
    """A print that was ordered: its job, as far as it has come, and the command."""
    file = cloud.upload(site.lan_recipient)["fileId"]
    command = _queue(cloud, site, "start_print", fileName="model.3mf", fileId=file)
    if status != "queued":
        cloud.backend.documents.commit(Update(f"printer_commands/{command}", {"status": "completed"}))
        cloud.backend.documents.commit(Update(f"print_jobs/{file}", {"status": status}))
    return file, command


def _report(cloud: Cloud, site: Site, command: str) -> None:
    path = f"/control/{command}/result?recipientId={site.lan_recipient}"
    assert cloud.call("POST", path, key=site.lan_key, json={"success": True}).status_code == 200


def _status(cloud: Cloud, path: str) -> str:
    return str(cloud.document(path).data["status"])


def test_a_stop_ends_the_start_that_came_before_it(cloud: Cloud, site: Site) -> None:
    job, start = _start(cloud, site)
    stop = _queue(cloud, site, "stop")
    assert _poll(cloud, site) == [(stop, "stop")]
    _report(cloud, site, stop)
    assert _poll(cloud, site) == []
    assert _status(cloud, f"printer_commands/{start}") == "cancelled"
    assert _status(cloud, f"print_jobs/{job}") == "cancelled"


def test_a_start_that_came_after_a_stop_is_shown(cloud: Cloud, site: Site) -> None:
    stop = _queue(cloud, site, "stop")
    _, start = _start(cloud, site)
    assert _poll(cloud, site) == [(stop, "stop"), (start, "start_print")]
    _report(cloud, site, stop)
    assert _poll(cloud, site) == [(start, "start_print")]


def test_a_stop_for_a_waiting_job_reaches_no_other(cloud: Cloud, site: Site) -> None:
    _start(cloud, site, "printing")
    waiting, _ = _start(cloud, site)
    _queue(cloud, site, "stop", printJobId=waiting)
    assert _poll(cloud, site) == []  # neither the stop, which would end the other print, nor the start


def test_a_stop_whose_job_may_be_printing_is_shown(cloud: Cloud, site: Site) -> None:
    for status in ("printing", "paused", "unknown", "failed"):
        other = cloud.new_site()
        job, _ = _start(cloud, other, status)
        stop = _queue(cloud, other, "stop", jobId=job)
        assert _poll(cloud, other) == [(stop, "stop")], status


def test_what_is_urgent_is_not_undone_by_what_was_asked_before(cloud: Cloud, site: Site) -> None:
    heat = _queue(cloud, site, "heat", nozzleTemp=200)
    cool = _queue(cloud, site, "cooldown")
    _queue(cloud, site, "resume")
    pause = _queue(cloud, site, "pause")
    assert _poll(cloud, site) == [(cool, "cooldown"), (pause, "pause")]
    _report(cloud, site, cool)
    _report(cloud, site, pause)
    assert _poll(cloud, site) == []
    assert _status(cloud, f"printer_commands/{heat}") == "cancelled"
    again = _queue(cloud, site, "heat", nozzleTemp=200)
    assert _poll(cloud, site) == [(again, "heat")]


def test_a_pause_does_not_overtake_its_start(cloud: Cloud, site: Site) -> None:
    _, start = _start(cloud, site)
    pause = _queue(cloud, site, "pause")
    assert _poll(cloud, site) == [(start, "start_print"), (pause, "pause")]


def test_a_start_ends_with_its_job(cloud: Cloud, site: Site) -> None:
    job, start = _start(cloud, site)
    event = {
        "recipientId": site.lan_recipient,
        "printerSerial": SERIAL,
        "eventType": "job_cancelled",
        "eventStatus": "failed",
        "printJobId": job,
    }
    assert cloud.call("POST", "/api/printer-events/report", key=site.lan_key, json=event).status_code == 201
    assert _poll(cloud, site) == []
    assert _status(cloud, f"printer_commands/{start}") == "cancelled"
    body = {"recipientId": site.lan_recipient, "commandId": start, "status": "processing"}
    taken = cloud.call("POST", "/control/ack", key=site.lan_key, json=body)
    assert (taken.status_code, taken.json()["detail"]) == (409, "cancelled")


def test_a_start_whose_job_has_ended_is_given_to_no_agent(cloud: Cloud, site: Site) -> None:
    file = cloud.upload(site.agent_recipient)["fileId"]
    metadata = {"fileName": "model.3mf", "fileId": file}
    start = cloud.queue(site.agent_recipient, "start_print", metadata, printerSerial=SERIAL)
    cloud.backend.documents.commit(Update(f"print_jobs/{file}", {"status": "cancelled"}))
    path = f"/control?recipientId={site.agent_recipient}&claim=true&agentId=agent-1"
    assert cloud.call("GET", path, key=site.agent_key).json()["commands"] == []
    assert _status(cloud, f"printer_commands/{start}") == "cancelled"


def test_another_end_that_an_event_tells_of_is_kept(cloud: Cloud, site: Site) -> None:
    job, _ = _start(cloud, site, "completed")
    event = {
        "recipientId": site.lan_recipient,
        "printerSerial": SERIAL,
        "eventType": "job_failed",
        "eventStatus": "failed",
        "printJobId": job,
        "message": "it came loose",
    }
    assert cloud.call("POST", "/api/printer-events/report", key=site.lan_key, json=event).status_code == 201
    stored = cloud.document(f"print_jobs/{job}").data
    assert stored["status"] == "completed"
    assert (stored["lateResult"]["status"], stored["lateResult"]["reason"]) == ("failed", "it came loose")


def test_an_older_event_that_comes_late_changes_nothing(cloud: Cloud, site: Site) -> None:
    job, _ = _start(cloud, site, "printing")
    for kind, at in (("job_paused", "10:05"), ("job_resumed", "10:09"), ("job_paused", "10:07")):
        event = {
            "recipientId": site.lan_recipient,
            "printerSerial": SERIAL,
            "eventType": kind,
            "eventStatus": "info",
            "printJobId": job,
            "occurredAt": f"2025-10-31T{at}:00Z",
        }
        assert cloud.call("POST", "/api/printer-events/report", key=site.lan_key, json=event).status_code == 201
    assert _status(cloud, f"print_jobs/{job}") == "printing"


def test_a_stop_is_seen_behind_any_number_of_others(cloud: Cloud, site: Site) -> None:
    for number in range(20):
        for command in ("pause", "light_on"):
            cloud.queue(site.lan_recipient, command, printerSerial=f"S{number}")
    stop = cloud.queue(site.lan_recipient, "stop", printerSerial="S40")
    assert _poll(cloud, site)[0] == (stop, "stop")
