"""Products as legacy clients speak of them: the handshake's one token, the word on a print, and who may say it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from local.sample_print import make_3mf
from printpipe.domain.ports.documents import Delete, Update
from tests.cloud import Cloud, Site

ONE_BACKEND_AT_REDUCED_COUNTS = True

SERIAL = "01P00A381200434"
PRODUCT = "PROD-55"
RACERS = 6


def handshake(
    cloud: Cloud, recipient: str, *, key: str | None, product: str = PRODUCT, **more: Any
) -> requests.Response:
    """The call, with the fields that a client adds."""
    return cloud.call("POST", f"/products/{product}/handshake", key=key, json={"recipientId": recipient, **more})


def tell(cloud: Cloud, recipient: str, *, key: str | None, product: str = PRODUCT, **said: Any) -> requests.Response:
    """What a client says of a product's print."""
    return cloud.call("POST", f"/products/{product}/status", key=key, json={"recipientId": recipient, **said})


def job_status(cloud: Cloud, job: str) -> str:
    """Where the job stands."""
    return str(cloud.document(f"print_jobs/{job}").data["status"])


def set_status(cloud: Cloud, job: str, status: str) -> None:
    """Puts the job where a report would."""
    cloud.backend.documents.commit(Update(f"print_jobs/{job}", {"status": status}))


def stop(cloud: Cloud, recipient: str, job: str) -> str:
    """Queues a stop for that job alone; the command's id."""
    return cloud.queue(recipient, "stop", {"printJobId": job}, printerSerial=SERIAL)


def listed(cloud: Cloud, site: Site) -> list[str]:
    """The ids that a polling LAN client is shown."""
    found = cloud.call("GET", f"/control?recipientId={site.lan_recipient}&apiKey={site.lan_key}").json()["commands"]
    return [each["commandId"] for each in found]


def test_only_the_last_token_fetches(cloud: Cloud, site: Site) -> None:
    first = cloud.upload(site.lan_recipient)["fetchToken"]
    second = handshake(cloud, site.lan_recipient, key=site.lan_key).json()["fetchToken"]
    third = handshake(cloud, site.lan_recipient, key=site.lan_key, status="hasFile").json()["fetchToken"]
    assert len({first, second, third}) == 3
    for token in (first, second):
        assert cloud.call("GET", f"/fetch/{token}").status_code == 410
    fetched = cloud.call("GET", f"/fetch/{third}?mode=metadata")
    assert (fetched.status_code, fetched.json()["data"]) == (200, None)
    assert cloud.call("GET", f"/fetch/{third}").status_code == 410
    again = handshake(cloud, site.lan_recipient, key=site.lan_key, status="needsFile").json()
    assert (again["fetchMode"], again["downloadRequired"]) == ("full", True)
    assert cloud.call("GET", f"/fetch/{again['fetchToken']}").json()["data"]


def test_of_many_handshakes_at_once_one_token_is_left(cloud: Cloud, site: Site) -> None:
    cloud.upload(site.lan_recipient)
    with ThreadPoolExecutor(RACERS) as pool:
        shaken = list(
            pool.map(
                lambda _: handshake(cloud, site.lan_recipient, key=site.lan_key, status="needsFile"), range(RACERS)
            )
        )
    assert {each.status_code for each in shaken} <= {200, 503}
    tokens = {each.json()["fetchToken"] for each in shaken if each.status_code == 200}
    assert len(tokens) == sum(each.status_code == 200 for each in shaken)
    fetched = [cloud.call("GET", f"/fetch/{token}").status_code for token in tokens]
    assert sorted(fetched) == [200] + [410] * (len(tokens) - 1)


def test_the_file_is_that_of_the_named_job_else_the_newest(cloud: Cloud, site: Site) -> None:
    older = cloud.upload(site.lan_recipient, name="older.3mf")["jobId"]
    cloud.upload(site.lan_recipient, name="newer.3mf")
    foreign = cloud.upload(cloud.new_site().lan_recipient, name="foreign.3mf")["jobId"]
    other_site = cloud.upload(site.agent_recipient, name="other.3mf")["jobId"]
    for job, name in ((older, "older.3mf"), (None, "newer.3mf"), ("", "newer.3mf"), ("their-own-7", "newer.3mf")):
        answer = handshake(cloud, site.lan_recipient, key=site.lan_key, status="needsFile", printJobId=job).json()
        assert answer["originalFilename"] == name
    for job in (foreign, other_site):
        answer = handshake(cloud, site.lan_recipient, key=site.lan_key, printJobId=job)
        assert answer.json()["originalFilename"] == "newer.3mf"


def test_a_key_is_good_for_its_own_recipients_only(cloud: Cloud, site: Site) -> None:
    job = cloud.upload(site.lan_recipient)["jobId"]
    for ask in (handshake, tell):
        for key, status in (
            (None, 401),
            ("no-such-key", 401),
            (site.agent_key, 403),
            (cloud.new_site().organization_key, 404),
            (cloud.new_key(site.organization, None, ["commands.read"]), 403),
        ):
            answer = ask(cloud, site.lan_recipient, key=key, printJobId=job, success=False)
            assert answer.status_code == status, answer.text
            assert site.organization not in answer.text
    assert job_status(cloud, job) == "held"
    assert cloud.document(f"files/{job}").data["generation"] == 1


def test_without_a_key_nothing_is_told(cloud: Cloud, site: Site) -> None:
    cloud.upload(site.lan_recipient)
    for ask in (handshake, tell):
        recipients = (site.lan_recipient, site.agent_recipient, "no-such-site")
        answers = [ask(cloud, recipient, key=None) for recipient in recipients]
        assert [each.status_code for each in answers] == [401] * 3
        assert len({each.text for each in answers}) == 1


def test_the_switch_opens_the_sites_of_lan_clients_alone(keyless_cloud: Cloud) -> None:
    cloud, site = keyless_cloud, keyless_cloud.new_site()
    job = cloud.upload(site.lan_recipient)["jobId"]
    at_agent = cloud.upload(site.agent_recipient)["jobId"]
    assert handshake(cloud, site.lan_recipient, key=None, status="needsFile").json()["hasFiles"] is True
    assert tell(cloud, site.lan_recipient, key=None, printJobId=at_agent, success=True).json()["status"] == "uploaded"
    assert tell(cloud, site.lan_recipient, key=None, printJobId=job, printStarted=True).json()["status"] == "printing"
    for ask in (handshake, tell):
        answers = [
            ask(cloud, recipient, key=None, success=False) for recipient in (site.agent_recipient, "no-such-site")
        ]
        assert [each.status_code for each in answers] == [401] * 2
        assert answers[0].text == answers[1].text
        assert ask(cloud, site.lan_recipient, key="no-such-key").status_code == 401
    assert job_status(cloud, at_agent) == "held"


@pytest.mark.parametrize(
    ("said", "word", "status"),
    [
        ({"success": True}, "uploaded", "held"),
        ({"printStarted": True}, "printing", "printing"),
        ({"success": True, "printStarted": True, "printCompleted": True}, "completed", "completed"),
        ({"success": False, "errorMessage": "the bed is cold"}, "failed", "failed"),
        ({"success": False, "printStarted": True, "printCompleted": True}, "failed", "failed"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_said_is_where_the_job_stands(
    cloud: Cloud, site: Site, said: dict[str, Any], word: str, status: str
) -> None:
    job = cloud.upload(site.lan_recipient)["jobId"]
    for _ in range(2):
        answer = tell(cloud, site.lan_recipient, key=site.lan_key, **said)
        assert (answer.status_code, answer.json()["status"]) == (200, word), answer.text
    stored = cloud.document(f"print_jobs/{job}").data
    assert (stored["status"], stored.get("reason")) == (status, said.get("errorMessage"))
    assert cloud.document(f"files/{job}").data["status"] == word


def test_the_named_job_is_meant_else_the_newest_open_one(cloud: Cloud, site: Site) -> None:
    oldest, middle, newest = (cloud.upload(site.lan_recipient)["jobId"] for _ in range(3))
    tell(cloud, site.lan_recipient, key=site.lan_key, printJobId=oldest, printStarted=True)
    assert [job_status(cloud, each) for each in (oldest, middle, newest)] == ["printing", "held", "held"]
    tell(cloud, site.lan_recipient, key=site.lan_key, printCompleted=True)
    assert [job_status(cloud, each) for each in (oldest, middle, newest)] == ["completed", "held", "held"]
    tell(cloud, site.lan_recipient, key=site.lan_key, success=False)
    assert [job_status(cloud, each) for each in (oldest, middle, newest)] == ["completed", "held", "failed"]


def test_a_paused_print_stays_paused_however_often_its_start_is_told(cloud: Cloud, site: Site) -> None:
    job = cloud.upload(site.lan_recipient)["jobId"]
    set_status(cloud, job, "paused")
    assert tell(cloud, site.lan_recipient, key=site.lan_key, printStarted=True).json()["status"] == "printing"
    assert job_status(cloud, job) == "paused"


def test_an_end_stands_and_a_contradiction_is_kept(cloud: Cloud, site: Site) -> None:
    job = cloud.upload(site.lan_recipient)["jobId"]
    tell(cloud, site.lan_recipient, key=site.lan_key, printCompleted=True)
    answer = tell(cloud, site.lan_recipient, key=site.lan_key, success=False, errorMessage="it came loose")
    assert (answer.status_code, answer.json()["detail"]) == (409, "completed")
    late = cloud.document(f"print_jobs/{job}").data["lateResult"]
    assert (late["status"], late["reason"]) == ("failed", "it came loose")
    assert tell(cloud, site.lan_recipient, key=site.lan_key, printStarted=True).json()["status"] == "completed"


def test_a_stop_for_a_job_that_has_ended_is_not_handed_to_a_client_that_stops_whatever_prints(
    cloud: Cloud, site: Site
) -> None:
    ended, printing = (cloud.upload(site.lan_recipient)["jobId"] for _ in range(2))
    late, wanted, theirs = (stop(cloud, site.lan_recipient, job) for job in (ended, printing, "their-own-7"))
    plain = cloud.queue(site.lan_recipient, "stop", printerSerial=SERIAL)
    assert listed(cloud, site) == [late, wanted, theirs, plain]
    tell(cloud, site.lan_recipient, key=site.lan_key, printJobId=ended, printCompleted=True)
    tell(cloud, site.lan_recipient, key=site.lan_key, printJobId=printing, printStarted=True)
    assert listed(cloud, site) == [wanted, theirs, plain]
    ack = {"recipientId": site.lan_recipient, "status": "processing"}
    refused = cloud.call("POST", "/control/ack", key=site.lan_key, json={**ack, "commandId": late})
    assert (refused.status_code, refused.json()["detail"]) == (409, "cancelled")
    assert cloud.document(f"printer_commands/{late}").data["status"] == "cancelled"
    assert cloud.call("POST", "/control/ack", key=site.lan_key, json={**ack, "commandId": wanted}).status_code == 200


def test_another_sites_job_has_no_say_in_a_stop(cloud: Cloud, site: Site) -> None:
    stranger = cloud.new_site()
    foreign = cloud.upload(stranger.lan_recipient)["jobId"]
    command = stop(cloud, site.lan_recipient, foreign)
    tell(cloud, stranger.lan_recipient, key=stranger.lan_key, printJobId=foreign, printCompleted=True)
    assert listed(cloud, site) == [command]


def test_the_agent_gets_every_stop_and_judges_itself(cloud: Cloud, site: Site) -> None:
    job = cloud.upload(site.agent_recipient)["jobId"]
    command = stop(cloud, site.agent_recipient, job)
    tell(cloud, site.agent_recipient, key=site.agent_key, printJobId=job, printCompleted=True)
    path = f"/control?recipientId={site.agent_recipient}&claim=true&agentId=agent-1"
    (found,) = cloud.call("GET", path, key=site.agent_key).json()["commands"]
    assert found["commandId"] == command


def test_the_older_name_lists_the_same(cloud: Cloud, site: Site) -> None:
    cloud.upload(site.lan_recipient)
    cloud.upload(site.lan_recipient, name="queued.3mf")
    wish = {"recipientId": site.lan_recipient, "printerSerial": SERIAL, "productId": PRODUCT}
    assert cloud.call("POST", "/api/print-jobs", key=site.lan_key, json=wish).status_code == 200
    body = {"recipientId": site.lan_recipient}
    one, other = (
        cloud.call("POST", f"/api/apps/app-1/functions/{name}", key=site.lan_key, json=body).json()
        for name in ("listPendingJobs", "listRecipientFiles")
    )
    assert [len(one["pending"]), len(one["skipped"])] == [1, 1]
    assert one == other


def test_people_see_what_waits_for_an_agent_and_what_is_overdue(cloud: Cloud, site: Site) -> None:
    overdue, fresh = (cloud.queue(site.agent_recipient, name, printerSerial=SERIAL) for name in ("home", "pause"))
    past = {"expiresAt": datetime(2025, 10, 31, tzinfo=UTC)}
    cloud.backend.documents.commit(Update(f"printer_commands/{overdue}", past))
    body = {"recipientId": site.agent_recipient}
    shown = cloud.call("POST", "/debug/listPendingCommands", key=site.agent_key, json=body).json()
    assert [each["commandId"] for each in shown["commands"]] == [fresh, overdue]
    assert shown["commands"][1]["expiresAt"] == "2025-10-31T00:00:00Z"
    one = cloud.call("POST", "/debug/listPendingCommands", key=site.agent_key, json={**body, "limit": 1}).json()
    assert (one["count"], [each["commandId"] for each in one["commands"]]) == (1, [fresh])


@pytest.mark.parametrize(
    ("result", "kept"),
    [
        ({"state": "paused", "layer": 7}, '{"state": "paused", "layer": 7}'),
        (["a", 1, None], '["a", 1, null]'),
        ("Print\x1b[0m paused", "Print [0m paused"),
        (7, "7"),
        (False, "false"),
        (None, None),
        ({"log": "x" * 10_000}, '{"log": "' + "x" * (4096 - 9)),
    ],
    ids=["object", "list", "text", "number", "false", "nothing", "long"],
)
def test_a_result_in_the_older_form_may_be_any_json(cloud: Cloud, site: Site, result: Any, kept: str | None) -> None:
    command = cloud.queue(site.lan_recipient, "pause", printerSerial=SERIAL)
    path = f"/control/{command}/result?recipientId={site.lan_recipient}&apiKey={site.lan_key}"
    answer = cloud.call("POST", path, json={"success": False, "result": result, "error": "the door is open"})
    assert (answer.status_code, answer.json()["status"]) == (200, "failed")
    stored = cloud.document(f"printer_commands/{command}").data
    assert (stored["status"], stored["message"], stored["errorMessage"]) == ("failed", kept, "the door is open")


def test_a_file_that_is_gone_is_no_file(cloud: Cloud, site: Site) -> None:
    job = cloud.upload(site.lan_recipient, content=make_3mf("gone", layers=2, seconds=30))["jobId"]
    cloud.backend.documents.commit(Delete(f"files/{job}"))
    answer = handshake(cloud, site.lan_recipient, key=site.lan_key, printJobId=job)
    assert (answer.status_code, answer.json()["hasFiles"], answer.json()["fetchToken"]) == (200, False, None)
