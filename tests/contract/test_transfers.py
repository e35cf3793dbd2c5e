"""Files between printers and the cloud: ordered by people, carried out by the site's agent, verified here."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from local.sample_print import make_3mf
from printpipe.domain.ports.documents import Create, Query, Update, Where
from printpipe.domain.sizes import UPLOAD_BYTES
from tests.cloud import Cloud, Site
from tests.contract.file_reading import read
from tests.contract.storage_agent import AGENT, Json, StorageAgent, done, found, id_of, refused, sums, trouble

ONE_BACKEND_AT_REDUCED_COUNTS = True

PATH = "/cache/test_print.3mf"
STL = b"solid cube\nendsolid cube\n"


@pytest.fixture
def agent(cloud: Cloud, site: Site) -> StorageAgent:
    return StorageAgent(cloud, site)


@pytest.fixture(scope="module")
def model() -> bytes:
    return make_3mf("cube", layers=3, seconds=60)


def begun(agent: StorageAgent, content: bytes, path: str = PATH) -> tuple[Json, str, Json]:
    """A printer with one file, the file's id, and the agent's command to fetch it."""
    printer = agent.printer()
    agent.listing(printer, found(path, len(content)))
    file = id_of(printer, path)
    agent.download(file)
    (command,) = agent.claim("fetch_file")
    return printer, file, command


def fetched(agent: StorageAgent, content: bytes, path: str = PATH) -> tuple[Json, str]:
    """A printer with one file, and the file's id, after it was downloaded."""
    printer, file, command = begun(agent, content, path)
    done(agent.deliver(command, content))
    done(agent.result(command, result=sums(content)))
    return printer, file


def copies(cloud: Cloud, site: Site) -> list[Json]:
    """What is stored for the site, the oldest first."""
    found = [dict(each.data) for each in cloud.documents("files", site.agent_recipient)]
    return sorted(found, key=lambda each: str(each["createdAt"]))


def is_there(cloud: Cloud, name: str) -> bool:
    return cloud.backend.files.stat(name) is not None


def transfers(cloud: Cloud, site: Site) -> list[Json]:
    return [dict(each.data) for each in cloud.documents("transfers", site.agent_recipient)]


def test_a_file_comes_from_its_printer_into_the_cloud(
    cloud: Cloud, site: Site, agent: StorageAgent, model: bytes
) -> None:
    printer = agent.printer()
    agent.listing(printer, found(PATH, len(model)))
    file = id_of(printer, PATH)
    ordered = agent.download(file)
    assert ordered["estimated_duration"] >= 1
    assert (ordered["id"], ordered["status"], ordered["message"]) == (file, "downloading", "Download initiated")
    waiting = agent.status(file)
    assert (waiting["download_id"], waiting["file_id"]) == (ordered["download_id"], file)
    assert (waiting["status"], waiting["progress"], waiting["speed_mbps"], waiting["error"]) == (
        "downloading", 0.0, None, None,
    )  # fmt: skip

    (command,) = agent.claim("fetch_file")
    assert command["printerId"] == printer["id"]
    assert command["lane"] == "normal"
    assert command["file"] is None
    assert command["metadata"] == {
        "transferId": ordered["download_id"], "path": PATH, "fileName": "test_print.3mf", "size": len(model),
    }  # fmt: skip
    half = len(model) // 2
    assert done(agent.progress(command, half, total=len(model))) == {
        "ok": True, "transferId": ordered["download_id"], "status": "copying", "cancelled": False,
    }  # fmt: skip
    shown = agent.status(file)
    assert (shown["bytes_downloaded"], shown["bytes_total"]) == (half, len(model))
    assert 49 < shown["progress"] <= 50.1
    assert shown["speed_mbps"] is not None
    assert shown["estimated_remaining"] >= 0

    assert done(agent.deliver(command, model))["status"] == "completed"
    done(agent.result(command, result=sums(model)))
    over = agent.status(file)
    assert (over["status"], over["progress"], over["bytes_downloaded"]) == ("completed", 100.0, len(model))
    assert (over["estimated_remaining"], over["error"]) == (0, None)
    (stored,) = copies(cloud, site)
    assert (stored["status"], stored["newestJobId"], stored["sha256"]) == ("stored", None, sums(model)["sha256"])
    assert stored["origin"]["path"] == PATH
    assert stored["origin"]["printerId"] == printer["id"]
    (plate,) = read(cloud, stored["fileId"]).plates
    assert is_there(cloud, str(plate.thumbnail_path))
    with cloud.backend.files.open(stored["gcsPath"]) as stream:
        assert stream.read() == model
    assert cloud.documents("print_jobs", site.agent_recipient) == []
    body = {"recipientId": site.agent_recipient}
    jobs = done(cloud.call("POST", "/api/apps/app/functions/listPendingJobs", key=site.agent_key, json=body))
    assert (jobs["pending"], jobs["skipped"]) == ([], [])
    assert trouble(agent.ask("POST", f"{file}/download"), 409, "CONFLICT")["details"]["detail"] == "downloaded"
    again = trouble(agent.ask("POST", f"{stored['fileId']}/download"), 409, "CONFLICT")
    assert again["details"]["detail"] == "local"
    assert agent.status(stored["fileId"])["download_id"] == ordered["download_id"]


def test_progress_never_runs_backwards_within_an_attempt(agent: StorageAgent, model: bytes) -> None:
    _, file, command = begun(agent, model)

    def shown() -> tuple[int, int]:
        status = agent.status(file)
        return status["attempt"], status["bytes_downloaded"]

    done(agent.progress(command, 100))
    done(agent.progress(command, 40))
    assert shown() == (1, 100)
    done(agent.progress(command, 10, attempt=2))
    assert shown() == (2, 10)
    done(agent.progress(command, 200, attempt=1))
    assert shown() == (2, 10)
    done(agent.progress(command, 50, "uploading", attempt=2))
    assert done(agent.progress(command, 60, attempt=2))["status"] == "uploading"
    assert shown() == (2, 60)
    done(agent.progress(command, 10**12, attempt=2))
    assert shown() == (2, len(model)), "no more than there is"


def test_only_the_agent_that_holds_the_claim_is_heard(
    cloud: Cloud, site: Site, agent: StorageAgent, model: bytes
) -> None:
    _, file, command = begun(agent, model)
    stranger, neighbour = StorageAgent(cloud, site, "agent-2"), cloud.new_site()
    wrong = {**command, "fence": command["fence"] + 1}
    for call in (agent.progress(wrong, 1), agent.way(wrong, model), stranger.progress(command, 1)):
        refused(call, 409, "claimed")
    refused(agent.arrived(wrong, model), 409, "claimed")
    another = {**command, "commandId": "another-command"}
    refused(agent.progress(another, 1), 409, "claimed")
    missing = {**command, "metadata": {"transferId": "dl_none"}}
    refused(agent.progress(missing, 1), 404, "transferId")
    for said in ({"recipientId": site.lan_recipient}, {"recipientId": neighbour.agent_recipient}):
        assert agent.progress(command, 1, **said).status_code in (403, 404)
    foreign = agent.progress(command, 1, recipientId=neighbour.agent_recipient, key=neighbour.agent_key)
    refused(foreign, 404, "transferId")
    assert agent.progress(command, 1, key=site.lan_key).status_code == 403
    assert agent.status(file)["bytes_downloaded"] == 0

    elsewhere = cloud.token(neighbour.organization)
    for method, path in (("POST", "download"), ("GET", "download/status")):
        trouble(cloud.call(method, f"/api/v1/files/{file}/{path}", token=elsewhere), 404, "FILE_NOT_FOUND")
        trouble(cloud.call(method, f"/api/v1/files/{file}/{path}", key=site.lan_key), 404, "FILE_NOT_FOUND")


def test_what_is_said_to_have_arrived_is_looked_at(cloud: Cloud, site: Site, agent: StorageAgent, model: bytes) -> None:
    _, file, command = begun(agent, model)
    refused(agent.arrived(command, model), 409, "uploading")
    assert agent.progress(command, 1, "done").status_code == 400, "size and sha256 are missing"
    opened = done(agent.way(command, model))
    refused(agent.arrived(command, model), 409, "uploading")
    assert requests.put(opened["uploadUrl"], data=b"x" * len(model), timeout=10).ok
    refused(agent.arrived(command, model), 400, "sha256")
    refused(agent.arrived(command, model, size=len(model) + 1), 400, "size")
    assert agent.status(file)["status"] == "downloading"
    assert copies(cloud, site) == []
    (spoilt,) = [each["objectName"] for each in transfers(cloud, site)]
    assert done(agent.deliver(command, model))["status"] == "completed"
    assert not is_there(cloud, spoilt), "what was put there first is no more"
    refused(agent.way(command, model), 409, "completed")
    assert agent.way(command, model, size=3 * 1024**3).status_code == 413


def test_a_file_arrives_once_however_often_that_is_told(
    cloud: Cloud, site: Site, agent: StorageAgent, model: bytes
) -> None:
    _, _, command = begun(agent, model)
    opened = done(agent.way(command, model))
    assert requests.put(opened["uploadUrl"], data=model, timeout=10).ok
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: agent.arrived(command, model), range(4)))
    assert {done(each)["status"] for each in answers} == {"completed"}
    (stored,) = copies(cloud, site)
    done(agent.result(command, result=sums(model)))
    assert done(agent.arrived(command, model))["status"] == "completed"
    assert [each["fileId"] for each in copies(cloud, site)] == [stored["fileId"]]
    assert is_there(cloud, str(read(cloud, stored["fileId"]).plates[0].thumbnail_path))
    refused(agent.progress(command, 1), 409, "completed")


def test_one_copy_of_a_file_is_made_at_a_time(cloud: Cloud, site: Site, agent: StorageAgent, model: bytes) -> None:
    printer = agent.printer()
    agent.listing(printer, found(PATH, len(model)))
    file = id_of(printer, PATH)
    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(lambda _: agent.download(file), range(6)))
    assert len({each["download_id"] for each in told}) == 1
    keyed = agent.download(file, headers={"Idempotency-Key": "once"})
    assert keyed["download_id"] == told[0]["download_id"]
    (command,) = agent.claim("fetch_file")
    done(agent.result(command, "failed", errorMessage="no such file", result={"errorCode": "not_found"}))
    failed = agent.status(file)
    assert (failed["status"], failed["error"]) == ("failed", {"code": "not_found", "message": "no such file"})
    assert agent.download(file, headers={"Idempotency-Key": "once"}) == keyed
    elsewhere = agent.cloud.new_key(agent.site.organization, [agent.site.lan_recipient], ["app"])
    same = {"token": None, "key": elsewhere, "headers": {"Idempotency-Key": "once"}}
    assert agent.ask("POST", f"{file}/download", **same).status_code == 403
    assert agent.claim() == []
    again = agent.download(file)
    assert again["download_id"] != keyed["download_id"]
    (second,) = agent.claim("fetch_file")
    assert done(agent.deliver(second, model))["status"] == "completed"


def test_a_changed_file_takes_the_place_of_its_older_copy(
    cloud: Cloud, site: Site, agent: StorageAgent, model: bytes
) -> None:
    printer, file = fetched(agent, model)
    (older,) = copies(cloud, site)
    read(cloud, older["fileId"])
    newer = make_3mf("other", layers=4, seconds=90)
    agent.listing(printer, found(PATH, len(newer), "2025-09-04T10:00:00Z"))
    agent.download(file)
    (command,) = agent.claim("fetch_file")
    assert is_there(cloud, older["gcsPath"]), "until the newer one is there"
    done(agent.deliver(command, newer))
    first, second = copies(cloud, site)
    assert (first["fileId"], bool(first["deletedAt"]), second["deletedAt"]) == (older["fileId"], True, None)
    assert not is_there(cloud, older["gcsPath"])
    assert not is_there(cloud, older["plates"][0]["thumbnailPath"])
    assert is_there(cloud, second["gcsPath"])


def test_an_older_copy_that_a_job_needs_stays(cloud: Cloud, site: Site, agent: StorageAgent, model: bytes) -> None:
    printer, file = fetched(agent, model)
    (older,) = copies(cloud, site)
    order = {"product_id": older["productId"], "recipient_id": site.agent_recipient}
    done(cloud.call("POST", "/api/print-jobs", token=agent.member, json=order), 201)
    agent.listing(printer, found(PATH, len(model), None))
    agent.download(file)
    (command,) = agent.claim("fetch_file")
    done(agent.deliver(command, model))
    first, second = copies(cloud, site)
    assert (first["deletedAt"], second["deletedAt"]) == (None, None)
    assert is_there(cloud, older["gcsPath"])


@pytest.mark.parametrize(
    ("path", "content"), [("/cube.stl", STL), ("/plain.bgcode", b"GCDE\x01"), ("/broken.3mf", b"no archive")]
)
def test_what_cannot_be_read_is_kept_without_plates(
    cloud: Cloud, site: Site, agent: StorageAgent, path: str, content: bytes
) -> None:
    fetched(agent, content, path)
    (stored,) = copies(cloud, site)
    assert (stored["fileName"], stored["size"], stored["plates"]) == (path[1:], len(content), [])
    assert stored["kind"] == path.rpartition(".")[2]


def test_what_nobody_takes_in_time_has_failed(cloud: Cloud, site: Site, agent: StorageAgent, model: bytes) -> None:
    printer = agent.printer()
    agent.listing(printer, found(PATH, len(model)))
    file = id_of(printer, PATH)
    trouble(agent.ask("GET", f"{file}/download/status"), 404, "FILE_NOT_FOUND")
    agent.download(file)
    (waiting,) = transfers(cloud, site)
    past = datetime.now(UTC) - timedelta(seconds=1)
    cloud.backend.documents.commit(Update(f"printer_commands/{waiting['commandId']}", {"expiresAt": past}))
    error = {"code": "expired", "message": "The agent did not take it in time"}
    assert (agent.status(file)["status"], agent.status(file)["error"]) == ("failed", error)
    (ended,) = transfers(cloud, site)
    assert (ended["status"], ended["active"]) == ("failed", False), "and that is written down"
    assert cloud.document(f"printer_commands/{waiting['commandId']}").data["status"] == "expired"
    assert agent.claim() == []


def test_an_agent_that_falls_silent_holds_nothing_for_ever(
    cloud: Cloud, site: Site, agent: StorageAgent, model: bytes
) -> None:
    _, file, command = begun(agent, model)
    opened = done(agent.way(command, model))
    assert requests.put(opened["uploadUrl"], data=model, timeout=10).ok
    (left,) = transfers(cloud, site)
    long_ago = datetime.now(UTC) - timedelta(minutes=11)
    cloud.backend.documents.commit(Update(f"printer_commands/{command['commandId']}", {"lease.until": long_ago}))
    assert agent.status(file)["error"]["code"] == "interrupted"
    refused(agent.progress(command, 5), 409, "failed")
    assert not is_there(cloud, left["objectName"]), "nothing is left of what it brought"
    refused(agent.arrived(command, model), 409, "failed")


def test_a_deleted_command_cancels_its_transfer(agent: StorageAgent, model: bytes, cloud: Cloud, site: Site) -> None:
    printer = agent.printer()
    agent.listing(printer, found(PATH, len(model)))
    agent.download(id_of(printer, PATH))
    (waiting,) = transfers(cloud, site)
    done(cloud.call("DELETE", f"/api/printer-commands/{waiting['commandId']}", token=agent.member))
    status = agent.status(id_of(printer, PATH))
    assert (status["status"], status["error"]["code"]) == ("failed", "cancelled")


def test_an_end_without_a_file_is_a_failure(agent: StorageAgent, model: bytes) -> None:
    _, file, command = begun(agent, model)
    done(agent.result(command, result=sums(model)))
    assert agent.status(file)["error"]["code"] == "cloud"
    refused(agent.arrived(command, model), 409, "failed")


def test_a_stored_file_goes_to_a_printer(cloud: Cloud, site: Site, agent: StorageAgent) -> None:
    uploaded = cloud.upload(site.agent_recipient)
    printer = agent.printer()
    body = {"printer_id": printer["serial"]}
    key = {"Idempotency-Key": "once"}
    answer = done(agent.ask("POST", f"{uploaded['fileId']}/upload", json=body, headers=key), 202)
    assert (answer["id"], answer["status"]) == (uploaded["fileId"], "uploading")
    assert done(agent.ask("POST", f"{uploaded['fileId']}/upload", json=body, headers=key), 202) == answer
    (command,) = agent.claim("send_file")
    assert (command["commandId"], command["printerId"]) == (answer["command_id"], printer["id"])
    assert (command["file"]["fileId"], command["file"]["sha256"]) == (uploaded["fileId"], uploaded["sha256"])
    given = done(cloud.call("GET", f"/fetch/{command['file']['fetchToken']}"))
    assert given["size"] == uploaded["size"]
    done(agent.progress(command, 10, total=uploaded["size"]))
    refused(agent.way(command, b"x"), 409, "send")
    assert agent.arrived(command, b"x").status_code == 400
    done(agent.result(command, result={"path": "/model.3mf", "size": uploaded["size"]}))
    (sent,) = transfers(cloud, site)
    assert (sent["status"], sent["bytesDone"], sent["path"]) == ("completed", uploaded["size"], "/model.3mf")
    assert sent["printerFileId"] == id_of(printer, "/model.3mf")
    job = cloud.document(f"print_jobs/{uploaded['fileId']}").data
    assert job["status"] == "held", "that it was sent begins no print"


def test_what_cannot_be_moved_is_refused(cloud: Cloud, site: Site, agent: StorageAgent, model: bytes) -> None:
    printer = agent.printer()
    agent.listing(printer, found(PATH, len(model)), found("/large.gcode", UPLOAD_BYTES + 1))
    file = id_of(printer, PATH)
    trouble(agent.ask("POST", f"p{'0' * 32}/download"), 404, "FILE_NOT_FOUND")
    trouble(agent.ask("POST", f"{id_of(printer, '/large.gcode')}/download"), 413, "TOO_LARGE")
    trouble(agent.ask("POST", f"{file}/upload", json={"printer_id": printer["id"]}), 409, "CONFLICT")
    uploaded = cloud.upload(site.agent_recipient)["fileId"]
    trouble(agent.ask("POST", f"{uploaded}/upload", json={"printer_id": "nobody"}), 404, "PRINTER_NOT_FOUND")
    assert agent.ask("POST", f"{uploaded}/upload", json={}).status_code == 422

    at_lan = agent.printer(recipient_id=site.lan_recipient)
    told = trouble(agent.ask("POST", f"{uploaded}/upload", json={"printer_id": at_lan["id"]}), 502, "PRINTER_OFFLINE")
    assert told["details"]["printer_id"] == at_lan["id"]
    long_ago = datetime.now(UTC) - timedelta(minutes=6)
    cloud.backend.documents.commit(
        Update(f"recipients/{site.agent_recipient}", {"lastSeenAt": long_ago}),
        Update(f"printers/{printer['id']}", {"state.receivedAt": long_ago}),
    )
    silent = trouble(agent.ask("POST", f"{file}/download"), 502, "PRINTER_OFFLINE")
    assert "agent" in silent["message"]
    assert silent["details"]["last_seen"]
    gone = datetime.now(UTC) - timedelta(hours=1)
    cloud.backend.documents.commit(Update(f"printers/{printer['id']}", {"state.receivedAt": gone}))
    assert "offline" in trouble(agent.ask("POST", f"{file}/download"), 502, "PRINTER_OFFLINE")["message"]
    assert cloud.documents("transfers", site.agent_recipient) == []


def test_fifty_files_are_on_their_way_at_the_most(cloud: Cloud, site: Site, agent: StorageAgent) -> None:
    printer = agent.printer()
    agent.listing(printer, *[found(f"/{number}.gcode", 10) for number in range(52)])
    for number in range(2):
        agent.download(id_of(printer, f"/{number}.gcode"))
    (model, _) = transfers(cloud, site)
    writes = [
        Create(f"transfers/copy-{site.organization}-{number}", {**model, "printerFileId": "other"})
        for number in range(48)
    ]
    cloud.backend.documents.commit(*writes)
    refusal = agent.ask("POST", f"{id_of(printer, '/50.gcode')}/download")
    trouble(refusal, 429, "RATE_LIMIT_EXCEEDED")
    assert int(refusal.headers["Retry-After"]) > 0
    body = {"recipientId": site.agent_recipient, "printerSerial": printer["serial"], "commandType": "pause"}
    done(cloud.call("POST", "/control", key=site.agent_key, json=body))
    (first, *_) = agent.claim()
    assert first["commandType"] == "pause"
    past = datetime.now(UTC) - timedelta(minutes=11)
    cloud.backend.documents.commit(Update(f"printer_commands/{model['commandId']}", {"lease.until": past}))
    agent.download(id_of(printer, "/50.gcode"))


def test_copies_hold_back_no_other_command(cloud: Cloud, site: Site, agent: StorageAgent) -> None:
    printer = agent.printer()
    agent.listing(printer, *[found(f"/{number}.gcode", 10) for number in range(3)])
    for number in range(3):
        agent.download(id_of(printer, f"/{number}.gcode"))
    body = {"recipientId": site.agent_recipient, "printerSerial": printer["serial"], "commandType": "home"}
    queued = [cloud.call("POST", "/control", key=site.agent_key, json=body).status_code for _ in range(51)]
    assert queued == [200] * 50 + [429]
    path = f"/control?recipientId={site.agent_recipient}&claim=true&agentId={AGENT}&limit=100"
    kinds = [each["commandType"] for each in done(cloud.call("GET", path, key=site.agent_key))["commands"]]
    assert kinds == ["home"] * 50 + ["fetch_file"] * 3


def test_copies_that_lapsed_hold_back_no_stop(cloud: Cloud, site: Site, agent: StorageAgent) -> None:
    printer = agent.printer()
    agent.listing(printer, *[found(f"/{number}.gcode", 10) for number in range(3)])
    for number in range(3):
        agent.download(id_of(printer, f"/{number}.gcode"))
    past = datetime.now(UTC) - timedelta(seconds=1)
    lapsed = [Update(f"printer_commands/{each['commandId']}", {"lease.until": past}) for each in agent.claim()]
    cloud.backend.documents.commit(*lapsed)
    body = {"recipientId": site.agent_recipient, "printerSerial": printer["serial"]}
    for kind in ("home", "stop"):
        done(cloud.call("POST", "/control", key=site.agent_key, json={**body, "commandType": kind}))
    path = f"/control?recipientId={site.agent_recipient}&claim=true&agentId={AGENT}&limit=3"
    kinds = [each["commandType"] for each in done(cloud.call("GET", path, key=site.agent_key))["commands"]]
    assert kinds == ["stop", "home", "fetch_file"]


@pytest.mark.parametrize(
    "kind", ["test_connection", "list_files", "fetch_file", "send_file", "fetchFile", "list-files"]
)
def test_nobody_else_gives_such_commands(cloud: Cloud, site: Site, agent: StorageAgent, kind: str) -> None:
    printer = agent.printer()
    metadata = {"transferId": "dl_1", "path": "/x.3mf", "fileName": "x.3mf", "fileId": "f"}
    body = {"recipientId": site.agent_recipient, "printerSerial": printer["serial"], "metadata": metadata}
    answer = cloud.call("POST", "/control", key=cloud.operator_key, json={**body, "commandType": kind})
    refused(answer, 400, "commandType")
    assert "list_files" not in answer.json()["message"].partition("known are")[2]
    order = {"printer_id": printer["id"], "command_type": kind, "metadata": metadata}
    assert cloud.call("POST", "/api/printer-commands", token=agent.member, json=order).status_code == 400
    assert cloud.documents("printer_commands", site.agent_recipient) == []


def test_a_polling_client_never_sees_them(cloud: Cloud, site: Site, agent: StorageAgent) -> None:
    printer = agent.printer()
    agent.listing(printer, found("/1.gcode", 10))
    agent.download(id_of(printer, "/1.gcode"))
    (document,) = [
        each for each in cloud.documents("printer_commands", site.agent_recipient) if each.data["type"] == "fetch_file"
    ]
    moved = {**document.data, "recipientId": site.lan_recipient, "commandId": "moved"}
    cloud.backend.documents.commit(Create(f"printer_commands/moved-{site.organization}", moved))
    listing = cloud.call("GET", f"/control?recipientId={site.lan_recipient}", key=site.lan_key)
    assert done(listing)["commands"] == []


def test_a_list_is_made_once_a_minute(cloud: Cloud, site: Site, agent: StorageAgent) -> None:
    printer = agent.printer()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: done(cloud.call("GET", "/api/v1/files", token=agent.member)), range(4)))
    (command,) = agent.claim("list_files")
    files = [
        found("/a.3mf", 1),
        found("/a.3mf", 2),
        found("/b\x07.3mf", 3),
        {**found("/c.3mf", 4), "name": "../c.3mf"},
        found("/d e ü.gcode", 5, None),
        {**found("/" + "x" * 1010 + ".gcode", 6), "name": "x.gcode"},
        found("/etc/passwd", 7),
    ]
    done(agent.result(command, result={"files": files, "truncated": False}))
    stored = cloud.document(f"printer_storages/{printer['id']}").data
    assert [(each["path"], each["size"]) for each in stored["files"]] == [("/a.3mf", 1), ("/d e ü.gcode", 5)]
    assert stored["truncated"] is True
    summary = cloud.document(f"printer_commands/{command['commandId']}").data["result"]
    assert summary == {"files": 7, "truncated": False}
    done(cloud.call("GET", "/api/v1/files", token=agent.member))
    assert agent.claim() == []


def test_a_list_is_bounded(cloud: Cloud, site: Site, agent: StorageAgent) -> None:
    printer = agent.printer()
    agent.order_listing(printer)
    (command,) = agent.claim("list_files")
    for broken in (None, {}, {"files": 7}, {"files": [{"path": "/x"}]}, {"files": [found("/x", -1)]}):
        assert agent.result(command, result=broken).status_code == 400, broken
    many = [found(f"/{number}.gcode", number) for number in range(2001)]
    assert agent.result(command, result={"files": many}).status_code == 400
    long = [found(f"/{'x' * 400}{number}.gcode", number) | {"name": "x.gcode"} for number in range(2000)]
    done(agent.result(command, result={"files": long, "truncated": False}))
    stored = cloud.document(f"printer_storages/{printer['id']}").data
    assert stored["truncated"] is True
    assert 1000 < len(stored["files"]) < 2000


def test_a_failed_list_leaves_the_last_one(cloud: Cloud, agent: StorageAgent) -> None:
    printer = agent.printer()
    agent.listing(printer, found("/a.3mf", 1))
    before = cloud.document(f"printer_storages/{printer['id']}").data
    (command,) = _ordered_again(cloud, agent, printer)
    done(agent.result(command, "failed", errorMessage="no", result={"errorCode": "unreachable"}))
    assert cloud.document(f"printer_storages/{printer['id']}").data["files"] == before["files"]


def _ordered_again(cloud: Cloud, agent: StorageAgent, printer: Json) -> list[Json]:
    kept = dict(cloud.document(f"printer_storages/{printer['id']}").data)
    agent.order_listing(printer)
    kept["listedAt"] -= timedelta(hours=1)
    cloud.backend.documents.commit(Create(f"printer_storages/{printer['id']}", kept))
    return agent.claim("list_files")


def test_what_was_ordered_is_on_record(cloud: Cloud, site: Site, agent: StorageAgent, model: bytes) -> None:
    fetched(agent, model)
    query = Query("audit_log", [Where("organizationId", "==", site.organization)])
    noted: list[tuple[Any, Any]] = [
        (each.data["action"], each.data["detail"]) for each in cloud.backend.documents.query(query)
    ]
    assert ("command.queued", "fetch_file") in noted
    assert ("file.downloaded", "test_print.3mf") in noted
