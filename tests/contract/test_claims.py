"""Exactly one winner: of a job, of a token, of a command; and states that stay."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import requests

from printpipe.domain.ports.documents import Query, Update, Where
from tests.cloud import Cloud, Site
from tests.contract.file_reading import read

RACERS = 64
RACE_SECONDS = 5.0


def _race(
    cloud: Cloud, method: str, path: str, bodies: list[dict[str, object]], key: str | None
) -> list[requests.Response]:
    """All requests at once; also asserts how long the whole race takes."""
    gate = Barrier(len(bodies))

    def run(body: dict[str, object]) -> requests.Response:
        gate.wait()
        return cloud.call(method, path, key=key, json=body or None)

    with ThreadPoolExecutor(len(bodies)) as pool:
        started = time.monotonic()
        answers = list(pool.map(run, bodies))
        took = time.monotonic() - started
    assert took < RACE_SECONDS, f"{took:.1f} s"
    return answers


def test_one_of_many_claims_wins(cloud: Cloud, site: Site) -> None:
    job = cloud.upload(site.lan_recipient)["fileId"]
    bodies: list[dict[str, object]] = [
        {"recipientId": site.lan_recipient, "printerId": f"printer-{number}", "jobId": job} for number in range(RACERS)
    ]
    answers = _race(cloud, "POST", "/api/apps/app/functions/claimJob", bodies, site.lan_key)
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] + [409] * (RACERS - 1)
    winner = next(answer.json() for answer in answers if answer.status_code == 200)
    assert cloud.document(f"print_jobs/{job}").data["claimedBy"] == winner["claimedBy"]
    assert cloud.document(f"files/{job}").data["status"] == "claimed"


def test_one_of_many_fetches_wins(cloud: Cloud, site: Site) -> None:
    token = cloud.upload(site.lan_recipient)["fetchToken"]
    answers = _race(cloud, "GET", f"/fetch/{token}", [{} for _ in range(RACERS)], None)
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] + [410] * (RACERS - 1)


def test_one_of_many_agents_gets_a_command(cloud: Cloud, site: Site) -> None:
    command = cloud.queue(site.agent_recipient, "pause", printerSerial="01P00A381200434")
    bodies: list[dict[str, object]] = [
        {
            "commandId": command,
            "recipientId": site.agent_recipient,
            "status": "processing",
            "agentId": f"agent-{number}",
        }
        for number in range(RACERS)
    ]
    answers = _race(cloud, "POST", "/control/ack", bodies, site.agent_key)
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * (RACERS - 1)


def test_a_claimed_job_is_not_started_and_a_started_one_is_not_claimed(cloud: Cloud, site: Site) -> None:
    claimed = cloud.upload(site.lan_recipient, "PROD-A")["fileId"]
    claim = {"recipientId": site.lan_recipient, "printerId": "printer-1", "jobId": claimed}
    assert cloud.call("POST", "/api/apps/app/functions/claimJob", key=site.lan_key, json=claim).status_code == 200
    start = {
        "recipientId": site.lan_recipient,
        "commandType": "start_print",
        "metadata": {"fileName": "model.3mf", "jobId": claimed},
    }
    assert cloud.call("POST", "/control", key=site.lan_key, json=start).status_code == 409

    started = cloud.upload(site.lan_recipient, "PROD-B")["fileId"]
    start["metadata"] = {"fileName": "model.3mf", "jobId": started}
    assert cloud.call("POST", "/control", key=site.lan_key, json=start).status_code == 200
    assert cloud.call("POST", "/control", key=site.lan_key, json=start).status_code == 409
    claim["jobId"] = started
    assert cloud.call("POST", "/api/apps/app/functions/claimJob", key=site.lan_key, json=claim).status_code == 409
    starts = [
        each for each in cloud.documents("printer_commands", site.lan_recipient) if each.data["type"] == "start_print"
    ]
    assert len(starts) == 1


def test_a_second_print_of_a_file_is_a_second_job(cloud: Cloud, site: Site) -> None:
    file = cloud.upload(site.agent_recipient, "PROD-TWICE")["fileId"]
    body = {
        "recipientId": site.agent_recipient,
        "printerSerial": "01P00A381200434",
        "productId": "PROD-TWICE",
        "fileId": file,
    }
    first = cloud.call("POST", "/api/print-jobs", key=cloud.operator_key, json=body).json()
    second = cloud.call("POST", "/api/print-jobs", key=cloud.operator_key, json=body).json()
    assert first["jobId"] == file
    assert second["jobId"] != file
    assert second["fileId"] == file


def test_a_fetch_takes_a_held_job(cloud: Cloud, site: Site) -> None:
    uploaded = cloud.upload(site.lan_recipient, "PROD-FETCH")
    assert cloud.call("GET", f"/fetch/{uploaded['fetchToken']}").status_code == 200
    assert cloud.document(f"print_jobs/{uploaded['fileId']}").data["status"] == "claimed"
    waiting = cloud.call("GET", f"/recipients/{site.lan_recipient}/pending", key=site.lan_key).json()
    assert waiting["pending"] == waiting["skipped"] == []


def test_metadata_alone_uses_the_token_but_takes_no_job(cloud: Cloud, site: Site) -> None:
    uploaded = cloud.upload(site.lan_recipient, "PROD-META")
    looked = cloud.call("GET", f"/fetch/{uploaded['fetchToken']}?mode=metadata").json()
    assert looked["data"] is None
    assert looked["fileName"] == "model.3mf"
    assert cloud.call("GET", f"/fetch/{uploaded['fetchToken']}").status_code == 410
    listed = cloud.call("GET", f"/recipients/{site.lan_recipient}/pending", key=site.lan_key).json()["pending"]
    fresh = next(each["fetchToken"] for each in listed if each["fileId"] == uploaded["fileId"])
    assert fresh != uploaded["fetchToken"]
    assert cloud.call("GET", f"/fetch/{fresh}").status_code == 200


def test_listing_repeats_a_token_and_writes_nothing(cloud: Cloud, site: Site) -> None:
    uploaded = cloud.upload(site.lan_recipient, "PROD-LIST")
    read(cloud, uploaded["fileId"])
    before = cloud.document(f"files/{uploaded['fileId']}").version
    tokens = set()
    for _ in range(5):
        listed = cloud.call("GET", f"/recipients/{site.lan_recipient}/pending", key=site.lan_key).json()["pending"]
        tokens.add(next(each["fetchToken"] for each in listed if each["fileId"] == uploaded["fileId"]))
    assert len(tokens) <= 2  # two, where half a token's life ended in between
    assert cloud.document(f"files/{uploaded['fileId']}").version == before


def test_no_token_or_key_is_stored_in_clear(cloud: Cloud, site: Site) -> None:
    uploaded = cloud.upload(site.lan_recipient, "PROD-SECRET")
    stored = str(dict(cloud.document(f"files/{uploaded['fileId']}").data))
    assert uploaded["fetchToken"] not in stored
    keys = cloud.backend.documents.query(Query("api_keys", [Where("organizationId", "==", site.organization)]))
    assert keys
    assert all(key not in str((each.path, each.data)) for each in keys for key in (site.lan_key, site.agent_key))


def test_an_expired_command_is_never_handed_out(cloud: Cloud, site: Site) -> None:
    until = (datetime.now(UTC) + timedelta(seconds=1.5)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    command = cloud.queue(site.agent_recipient, "home", expiresAt=until)
    ack = {"commandId": command, "recipientId": site.agent_recipient, "status": "processing", "agentId": "agent-1"}
    deadline = time.monotonic() + 3
    while datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") <= until:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    polled = cloud.call(
        "GET", f"/control?recipientId={site.agent_recipient}&claim=true&agentId=agent-1", key=site.agent_key
    )
    assert polled.json()["commands"] == []
    answer = cloud.call("POST", "/control/ack", key=site.agent_key, json=ack)
    assert (answer.status_code, answer.json()["detail"]) == (409, "expired")
    assert cloud.document(f"printer_commands/{command}").data["status"] == "expired"


def test_a_lapsed_lease_returns_the_command_to_the_same_agent_alone(cloud: Cloud, site: Site) -> None:
    command = cloud.queue(site.agent_recipient, "pause")
    ack = {"commandId": command, "recipientId": site.agent_recipient, "status": "processing", "agentId": "agent-1"}
    first = cloud.call("POST", "/control/ack", key=site.agent_key, json=ack).json()
    past = datetime.now(UTC) - timedelta(seconds=1)
    cloud.backend.documents.commit(Update(f"printer_commands/{command}", {"lease.until": past}))

    other = cloud.call("POST", "/control/ack", key=site.agent_key, json={**ack, "agentId": "agent-2"})
    assert (other.status_code, other.json()["detail"]) == (409, "claimed")
    polled = cloud.call(
        "GET", f"/control?recipientId={site.agent_recipient}&claim=true&agentId=agent-1", key=site.agent_key
    ).json()["commands"]
    again = next(each for each in polled if each["commandId"] == command)
    assert again["fence"] == first["fence"] + 1

    result = {"commandId": command, "recipientId": site.agent_recipient, "status": "completed"}
    late = cloud.call("POST", "/control/result", key=site.agent_key, json={**result, "fence": first["fence"]})
    assert late.status_code == 409
    assert cloud.document(f"printer_commands/{command}").data["lateResult"]["fence"] == first["fence"]
    now = cloud.call("POST", "/control/result", key=site.agent_key, json={**result, "fence": again["fence"]})
    assert now.status_code == 200


def test_a_long_poll_hears_of_a_new_command(cloud: Cloud, site: Site) -> None:
    path = f"/control?recipientId={site.agent_recipient}&claim=true&wait=15&agentId=agent-1"
    with ThreadPoolExecutor(1) as pool:
        started = time.monotonic()
        waiting = pool.submit(cloud.call, "GET", path, key=site.agent_key)
        time.sleep(0.5)  # so that the poll is waiting when the command comes
        command = cloud.queue(site.agent_recipient, "light_on")
        heard = waiting.result(20).json()["commands"]
        took = time.monotonic() - started
    assert [each["commandId"] for each in heard] == [command]
    assert took < 10


def test_a_failed_start_fails_its_job_and_a_completed_one_goes_on(cloud: Cloud, site: Site) -> None:
    outcomes = {}
    for status, product in (("failed", "PROD-F"), ("completed", "PROD-C")):
        cloud.upload(site.agent_recipient, product)
        body = {"recipientId": site.agent_recipient, "printerSerial": "01P00A381200434", "productId": product}
        job = cloud.call("POST", "/api/print-jobs", key=cloud.operator_key, json=body).json()
        ack = {"commandId": job["commandId"], "recipientId": site.agent_recipient, "agentId": "agent-1"}
        lease = cloud.call("POST", "/control/ack", key=site.agent_key, json=ack).json()
        assert cloud.document(f"print_jobs/{job['jobId']}").data["status"] == "claimed"
        result = {
            "commandId": job["commandId"],
            "recipientId": site.agent_recipient,
            "status": status,
            "fence": lease["fence"],
            "errorMessage": "the printer is busy" if status == "failed" else None,
        }
        assert cloud.call("POST", "/control/result", key=site.agent_key, json=result).status_code == 200
        data = cloud.document(f"print_jobs/{job['jobId']}").data
        outcomes[status] = (data["status"], data["reason"])
    assert outcomes == {"failed": ("failed", "the printer is busy"), "completed": ("preparing", None)}


def test_events_take_a_job_to_its_end_once(cloud: Cloud, site: Site) -> None:
    job = cloud.upload(site.lan_recipient, "PROD-EVENTS")["fileId"]
    event = {"recipientId": site.lan_recipient, "printerSerial": "01P00A381200434", "printJobId": job}
    seen = []
    for kind, status in (
        ("job_started", "info"),
        ("job_paused", "info"),
        ("job_resumed", "info"),
        ("job_completed", "success"),
        ("job_failed", "failed"),
        ("job_started", "info"),
    ):
        body = {**event, "eventType": kind, "eventStatus": status}
        assert cloud.call("POST", "/api/printer-events/report", key=site.lan_key, json=body).status_code == 201
        seen.append(cloud.document(f"print_jobs/{job}").data["status"])
    assert seen == ["printing", "paused", "printing", "completed", "completed", "completed"]
    assert cloud.document(f"files/{job}").data["status"] == "completed"


def test_an_older_report_never_overwrites_a_newer(cloud: Cloud, site: Site) -> None:
    base = {"recipientId": site.lan_recipient, "printerSerial": "01P00A381200434", "printerIpAddress": "192.168.1.9"}
    for minute, progress in ((1, 10), (3, 30), (2, 20)):
        body = {
            **base,
            "status": {"state": "printing", "progress": progress},
            "timestamp": f"2025-10-31T10:0{minute}:00Z",
        }
        assert cloud.call("POST", "/printer-status", key=site.lan_key, json=body).status_code == 200
    (printer,) = cloud.documents("printers", site.lan_recipient)
    assert printer.data["state"]["status"]["progress"] == 30
    assert printer.data["active"] is False
    assert len(cloud.documents("printer_status_updates", site.lan_recipient)) == 1


def _lapse(cloud: Cloud, command: str, **fields: object) -> None:
    """Sets the command's lease, and whatever else is named, into the past."""
    past = datetime.now(UTC) - timedelta(seconds=1)
    cloud.backend.documents.commit(Update(f"printer_commands/{command}", {"lease.until": past, **fields}))


def test_what_an_agent_executes_never_expires_under_its_hands(cloud: Cloud, site: Site) -> None:
    command = cloud.queue(site.agent_recipient, "stop")
    ack = {"commandId": command, "recipientId": site.agent_recipient, "agentId": "agent-1"}
    first = cloud.call("POST", "/control/ack", key=site.agent_key, json=ack).json()
    _lapse(cloud, command, expiresAt=datetime.now(UTC) - timedelta(seconds=1))
    poll = f"/control?recipientId={site.agent_recipient}&claim=true&agentId=agent-1"
    polled = cloud.call("GET", poll, key=site.agent_key).json()["commands"]
    assert [each["commandId"] for each in polled] == [command]
    result = {**ack, "status": "completed", "fence": first["fence"]}
    assert cloud.call("POST", "/control/result", key=site.agent_key, json=result).status_code == 200
    assert cloud.document(f"printer_commands/{command}").data["status"] == "completed"


def test_a_renewal_tells_the_present_time(cloud: Cloud, site: Site) -> None:
    command = cloud.queue(site.agent_recipient, "pause")
    ack = {"commandId": command, "recipientId": site.agent_recipient, "agentId": "agent-1"}
    assert cloud.call("POST", "/control/ack", key=site.agent_key, json=ack).status_code == 200
    long_ago = datetime(2025, 10, 31, tzinfo=UTC)
    cloud.backend.documents.commit(Update(f"printer_commands/{command}", {"acknowledgedAt": long_ago}))
    renewed = cloud.call("POST", "/control/ack", key=site.agent_key, json=ack).json()
    told = datetime.fromisoformat(renewed["acknowledgedAt"])
    assert abs(datetime.now(UTC) - told) < timedelta(seconds=10)
    assert cloud.document(f"printer_commands/{command}").data["acknowledgedAt"] == long_ago


def test_a_start_that_nobody_takes_ends_and_so_does_its_job(cloud: Cloud, site: Site) -> None:
    cloud.upload(site.agent_recipient, "PROD-LATE")
    body = {"recipientId": site.agent_recipient, "printerSerial": "01P00A381200434", "productId": "PROD-LATE"}
    order = cloud.call("POST", "/api/print-jobs", key=cloud.operator_key, json=body).json()
    past = datetime.now(UTC) - timedelta(seconds=1)
    cloud.backend.documents.commit(Update(f"printer_commands/{order['commandId']}", {"expiresAt": past}))
    poll = f"/control?recipientId={site.agent_recipient}&claim=true&agentId=agent-1"
    assert cloud.call("GET", poll, key=site.agent_key).json()["commands"] == []
    assert cloud.document(f"printer_commands/{order['commandId']}").data["status"] == "expired"
    assert cloud.document(f"print_jobs/{order['jobId']}").data["status"] == "failed"


def test_a_stop_goes_before_whatever_else_waits(cloud: Cloud, site: Site) -> None:
    for percent in range(30):
        cloud.queue(site.lan_recipient, "fan", {"percent": percent})
    stop = cloud.queue(site.lan_recipient, "stop")
    poll = f"/control?recipientId={site.lan_recipient}&limit=5"
    first, *others = cloud.call("GET", poll, key=site.lan_key).json()["commands"]
    assert first["commandId"] == stop
    assert [each["metadata"]["percent"] for each in others] == [0, 1, 2, 3]


def test_a_claim_may_be_narrowed_to_one_printer(cloud: Cloud, site: Site) -> None:
    ids = {serial: cloud.queue(site.agent_recipient, "pause", printerSerial=serial) for serial in ("A1", "B2")}
    poll = f"/control?recipientId={site.agent_recipient}&claim=true&agentId=agent-1&printerSerial=B2"
    for _ in range(2):
        taken = cloud.call("GET", poll, key=site.agent_key).json()["commands"]
        assert [each["commandId"] for each in taken] == [ids["B2"]]
        for command in ids.values():
            if cloud.document(f"printer_commands/{command}").data["status"] == "processing":
                _lapse(cloud, command)
    assert cloud.document(f"printer_commands/{ids['A1']}").data["status"] == "pending"


def test_a_file_shows_its_newest_job(cloud: Cloud, site: Site) -> None:
    file = cloud.upload(site.agent_recipient, "PROD-NEWEST")["fileId"]
    wish = {"recipientId": site.agent_recipient, "printerSerial": "S1", "productId": "PROD-NEWEST", "fileId": file}
    first, second = (cloud.call("POST", "/api/print-jobs", key=cloud.operator_key, json=wish).json() for _ in range(2))
    event = {"recipientId": site.agent_recipient, "printerSerial": "S1", "eventType": "job_completed"}
    for job, shown in ((first, "queued"), (second, "completed")):
        body = {**event, "eventStatus": "success", "printJobId": job["jobId"]}
        assert cloud.call("POST", "/api/printer-events/report", key=site.agent_key, json=body).status_code == 201
        assert cloud.document(f"files/{file}").data["status"] == shown


def test_the_newest_files_are_listed(cloud: Cloud, site: Site) -> None:
    uploaded = [cloud.upload(site.lan_recipient, f"PROD-{number}")["fileId"] for number in range(3)]
    listed = cloud.call("GET", f"/recipients/{site.lan_recipient}/pending", key=site.lan_key).json()["pending"]
    assert [each["fileId"] for each in listed] == uploaded


def test_a_printer_of_another_site_is_refused_for_good(cloud: Cloud, site: Site) -> None:
    report = {"printerSerial": "01P00A381200434", "status": {"state": "idle"}}
    first = cloud.call("POST", "/printer-status", key=site.lan_key, json={**report, "recipientId": site.lan_recipient})
    assert first.status_code == 200
    other = {**report, "recipientId": site.agent_recipient}
    assert cloud.call("POST", "/printer-status", key=site.agent_key, json=other).status_code == 409


def test_a_printer_is_found_by_its_address(cloud: Cloud, site: Site) -> None:
    base = {"recipientId": site.lan_recipient, "printerIpAddress": "192.168.1.77"}
    for progress, serial in ((1, "01P00A381200434"), (2, ""), (3, None)):
        body = {**base, "printerSerial": serial, "status": {"state": "printing", "progress": progress}}
        assert cloud.call("POST", "/printer-status", key=site.lan_key, json=body).status_code == 200
    (printer,) = cloud.documents("printers", site.lan_recipient)
    assert printer.data["state"]["status"]["progress"] == 3
    unknown = {**base, "printerIpAddress": "192.168.1.78", "status": {"state": "idle"}}
    assert cloud.call("POST", "/printer-status", key=site.lan_key, json=unknown).status_code == 200
    assert len(cloud.documents("printers", site.lan_recipient)) == 1
