"""Print jobs through the management API: ordered, sent, printed plate by plate, listed, reported on and deleted."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from printpipe.domain.ports.documents import Update
from tests.cloud import Cloud, Site
from tests.contract.order_desk import PRODUCT, Desk, Json, refused

ONE_BACKEND_AT_REDUCED_COUNTS = True

AMS = {"enabled": True, "slots": [{"slot_number": 1, "filament_type": "PLA", "filament_color": "Red"}]}


@pytest.fixture
def desk(cloud: Cloud, site: Site) -> Desk:
    return Desk(cloud, site)


@pytest.fixture
def file(cloud: Cloud, site: Site) -> str:
    """A product's file at the agent's site."""
    return str(cloud.upload(site.agent_recipient, PRODUCT)["fileId"])


def pending(desk: Desk, recipient: str) -> Json:
    """What `listPendingJobs` shows."""
    path, body = "/api/apps/a/functions/listPendingJobs", {"recipientId": recipient}
    shown: Json = desk.cloud.call("POST", path, key=desk.site.organization_key, json=body).json()
    return shown


def test_the_first_order_of_a_file_is_the_job_that_came_with_it(desk: Desk, file: str) -> None:
    first = desk.order(plates_requested=2, priority="high", ams_configuration=AMS, product_name="Phone stand")
    assert (first["id"], first["status"], first["created_by"]) == (file, "pending", "user-1")
    assert (first["priority"], first["plates_requested"]) == ("high", 2)
    assert (first["ams_configuration"], first["product_name"]) == (AMS, "Phone stand")
    second, third = desk.order(), desk.order(file_id=file)
    assert len({first["id"], second["id"], third["id"]}) == 3
    assert {each["file_id"] for each in (first, second, third)} == {file}
    assert desk.listed() == [third["id"], second["id"], first["id"]]


def test_orders_of_one_file_at_once_are_as_many_jobs(desk: Desk, file: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        ordered = list(pool.map(lambda number: desk.order(product_name=f"copy {number}"), range(6)))
    ids = {each["id"] for each in ordered}
    assert (len(ids), file in ids) == (6, True)
    assert {each["product_name"] for each in ordered} == {desk.show(each)["product_name"] for each in ids}


def test_one_order_many_times_at_once_is_one_job(desk: Desk, file: str) -> None:
    desk.order()
    with ThreadPoolExecutor(6) as pool:
        ordered = list(pool.map(lambda _: desk.order(key="once"), range(6)))
    assert len({each["id"] for each in ordered}) == 1
    assert len(desk.listed()) == 2
    other = desk.call("POST", body={"product_id": PRODUCT, "priority": "low"}, key="once")
    assert "Idempotency-Key" in refused(other, 409)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("plates_requested", 0),
        ("plates_requested", 101),
        ("plates_requested", 1.5),
        ("priority", "asap"),
        ("plate_index", 0),
        ("plate_index", 7),
        ("deadline_hours", 0),
        ("deadline_hours", 0.01),
        ("deadline_hours", 169),
        ("product_id", None),
        ("product_id", 7),
        ("product_name", "two\nlines"),
        ("ams_configuration", "yes"),
        ("ams_configuration", {"enabled": "yes"}),
        ("ams_configuration", {"slots": [{"filament_type": "PLA"}]}),
        ("ams_configuration", {"slots": [{"slot_number": 0}]}),
        ("ams_configuration", {"slots": [{"slot_number": 1}, {"slot_number": 1}]}),
    ],
)
def test_what_cannot_be_ordered_is_refused_by_its_name(desk: Desk, file: str, field: str, wrong: Any) -> None:
    assert field in refused(desk.call("POST", body={"product_id": PRODUCT, field: wrong}), 400)
    assert desk.show(file)["created_by"] is None


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({"product_id": "PROD-NONE"}, "product_id: The product has no file"),
        ({"file_id": "no-such-file"}, "file_id: No such file"),
        ({"printer_id": "no-such-printer"}, "printer_id: No such printer"),
        ({"gcode_url": "https://example.org/a.3mf", "recipient_id": "no-such-site"}, "recipient_id: No such recipient"),
    ],
)
def test_what_is_not_there_is_named(desk: Desk, file: str, wish: Json, why: str) -> None:
    assert refused(desk.call("POST", body={"product_id": PRODUCT, **wish}), 404) == why


def _plates(desk: Desk, file: str, *filaments: dict[int, Json]) -> None:
    """The file has these plates, each of which says of its filaments by their numbers."""
    plates = [
        {"index": index, "filament": [{"slot": slot, **said} for slot, said in each.items()]}
        for index, each in enumerate(filaments, 1)
    ]
    desk.cloud.backend.documents.commit(Update(f"files/{file}", {"plates": plates}))


def test_a_filament_that_the_file_does_not_have_is_refused(desk: Desk, file: str) -> None:
    def asked(*slots: int, **more: Any) -> Json:
        wishes = [{"slot_number": each, "filament_type": "PLA", "filament_color": "Red"} for each in slots]
        return {"product_id": PRODUCT, "ams_configuration": {"enabled": True, "slots": wishes}, **more}

    why = refused(desk.call("POST", body=asked(1, 2)), 400)
    assert why.startswith("ams_configuration.slots.1.slot_number: ")
    assert why.endswith("its filaments are 1 (PLA #2FA36B)")
    assert desk.show(file)["created_by"] is None
    _plates(desk, file, {1: {"type": "PLA", "color": "#FF0000"}, 3: {}}, {2: {"type": "PETG"}})
    why = refused(desk.call("POST", body=asked(4, 1)), 400)
    assert why.startswith("ams_configuration.slots.0.slot_number: ")
    assert why.endswith("1 (PLA #FF0000), 2 (PETG), 3")
    assert "slots.1.slot_number" in refused(desk.call("POST", body=asked(2, 3, plate_index=2)), 400)
    assert desk.order(**asked(1, 2, 3))["ams_configuration"] == asked(1, 2, 3)["ams_configuration"]
    assert desk.order(**asked(2, plate_index=2))["plate_index"] == 2


def test_a_file_that_says_nothing_of_its_filaments_takes_any(desk: Desk, file: str) -> None:
    wish = {"slots": [{"slot_number": 5, "filament_type": "PETG", "filament_color": None}]}
    _plates(desk, file, {})
    assert desk.order(ams_configuration=wish)["ams_configuration"]["slots"] == wish["slots"]
    _plates(desk, file, {1: {"type": "PLA"}}, {})
    assert desk.order(ams_configuration=wish)["ams_configuration"]["slots"] == wish["slots"]
    assert "slot_number" in refused(
        desk.call("POST", body={"product_id": PRODUCT, "ams_configuration": wish, "plate_index": 1}), 400
    )


def test_a_url_of_our_own_bucket_is_its_file(desk: Desk, file: str) -> None:
    stored = desk.cloud.document(f"files/{file}").data
    url = f"https://storage.googleapis.com/{stored['gcsBucket']}/{stored['gcsPath']}"
    site = desk.site.agent_recipient
    assert desk.order(product_id="ANOTHER", gcode_url=url, recipient_id=site)["file_id"] == file
    several = desk.call("POST", body={"product_id": PRODUCT, "gcode_url": url})
    assert site in refused(several, 400)
    elsewhere = {"product_id": PRODUCT, "gcode_url": "http://127.0.0.1/a.3mf", "recipient_id": site}
    assert "gcode_url" in refused(desk.call("POST", body=elsewhere), 400)


def test_a_job_is_one_job_in_both_dialects(cloud: Cloud, site: Site, desk: Desk) -> None:
    file = cloud.upload(site.lan_recipient, PRODUCT)["fileId"]
    job = desk.order(plates_requested=2)["id"]
    assert [each["jobId"] for each in pending(desk, site.lan_recipient)["pending"]] == [job]
    assert desk.send(job)["waiting"]["reasons"] == ["no_printers"]
    assert [each["jobId"] for each in pending(desk, site.lan_recipient)["skipped"]] == [job]
    body = {"recipientId": site.lan_recipient, "printerId": "printer-7", "jobId": job}
    claimed = cloud.call("POST", "/api/apps/a/functions/claimJob", key=site.lan_key, json=body)
    assert claimed.status_code == 200, claimed.text
    shown = desk.show(job)
    assert (shown["status"], shown["waiting"], [each["status"] for each in shown["runs"]]) == (
        "claimed",
        None,
        ["claimed"],
    )
    assert refused(desk.call("POST", f"/{job}/send"), 409)
    desk.event(job, "job_started", site.lan_recipient)
    desk.event(job, "job_completed", site.lan_recipient)
    shown = desk.show(job)
    assert (shown["plates_completed"], shown["status"], file) == (1, "queued", job)


def test_a_second_copy_is_listed_to_clients_under_its_own_id(cloud: Cloud, site: Site, desk: Desk) -> None:
    file = cloud.upload(site.lan_recipient, PRODUCT)["fileId"]
    assert desk.order()["id"] == file
    copy = desk.order()["id"]
    assert [(each["fileId"], each["jobId"]) for each in pending(desk, site.lan_recipient)["pending"]] == [(file, copy)]
    body = {"recipientId": site.lan_recipient, "printerId": "printer-7", "jobId": copy}
    assert cloud.call("POST", "/api/apps/a/functions/claimJob", key=site.lan_key, json=body).status_code == 200
    assert (desk.show(copy)["status"], desk.show(file)["status"]) == ("claimed", "pending")


def _token(desk: Desk) -> str:
    """That of the only file which waits at the LAN client's site."""
    shown = pending(desk, desk.site.lan_recipient)
    (waits,) = shown["pending"] + shown["skipped"]
    return str(waits["fetchToken"])


def _runs(desk: Desk, job: str) -> tuple[str, list[str]]:
    shown = desk.show(job)
    return shown["status"], [each["status"] for each in shown["runs"]]


def test_a_job_that_waits_is_taken_by_who_fetches_its_file(cloud: Cloud, site: Site, desk: Desk) -> None:
    cloud.upload(site.lan_recipient, PRODUCT)
    job = desk.order()["id"]
    desk.send(job)
    assert cloud.call("GET", f"/fetch/{_token(desk)}").status_code == 200
    assert (_runs(desk, job), desk.show(job)["waiting"]) == (("claimed", ["claimed"]), None)
    assert pending(desk, site.lan_recipient) == {"ok": True, "pending": [], "skipped": []}
    desk.printer(site.lan_recipient)
    cloud.fire("trigger-queue-sweep")
    assert desk.starts(job) == []


def test_of_several_copies_a_fetch_takes_the_newest_and_then_the_first(cloud: Cloud, site: Site, desk: Desk) -> None:
    cloud.upload(site.lan_recipient, PRODUCT)
    first, second = desk.order()["id"], desk.order()["id"]
    for job in (first, second):
        desk.send(job)
    handshake = {"recipientId": site.lan_recipient, "status": "needsFile"}
    for taken in ((False, True), (True, True)):
        shaken = cloud.call("POST", f"/products/{PRODUCT}/handshake", key=site.lan_key, json=handshake).json()
        assert cloud.call("GET", f"/fetch/{shaken['fetchToken']}").status_code == 200
        assert [desk.show(each)["status"] == "claimed" for each in (first, second)] == list(taken)


@pytest.mark.parametrize("fetched", ["its own", "a copy"])
def test_a_fetch_for_a_start_that_is_under_way_takes_no_job(cloud: Cloud, site: Site, desk: Desk, fetched: str) -> None:
    cloud.upload(site.lan_recipient, PRODUCT)
    first, second = desk.order()["id"], desk.order()["id"]
    begun, waits = (first, second) if fetched == "its own" else (second, first)
    desk.printer(site.lan_recipient)
    desk.send(begun)
    desk.send(waits)
    handshake = {"recipientId": site.lan_recipient, "status": "needsFile", "printJobId": begun}
    shaken = cloud.call("POST", f"/products/{PRODUCT}/handshake", key=site.lan_key, json=handshake).json()
    assert cloud.call("GET", f"/fetch/{shaken['fetchToken']}").status_code == 200
    assert (_runs(desk, begun), _runs(desk, waits)) == (("queued", ["queued"]), ("queued", []))
    assert len(desk.starts(begun)) == 1


def test_three_plates_are_three_starts_and_a_completion_told_twice_counts_once(desk: Desk, file: str) -> None:
    printer = desk.printer()
    job = desk.order(plates_requested=3)["id"]
    assert desk.send(job)["status"] == "queued"
    for number in range(1, 4):
        (start,) = desk.claim()
        assert start["metadata"]["unencryptedData"]["printJobId"] == job
        assert desk.show(job)["status"] == "claimed"
        desk.carry_out(start)
        desk.event(job, "job_started")
        desk.report(printer, state="printing", printJobId=job, progress=40, layer=2, totalLayers=3, remainingTime=36)
        shown = desk.show(job)
        assert (shown["status"], shown["progress_percentage"], shown["time_remaining_seconds"]) == ("printing", 40, 36)
        assert (shown["printer_id"], shown["printer_serial"]) == (printer["id"], printer["serial"])
        desk.event(job, "job_completed")
        desk.event(job, "job_completed")
        shown = desk.show(job)
        assert (shown["plates_completed"], len(shown["runs"])) == (number, number)
        if number < 3:
            assert shown["waiting"]["printers"][0]["reasons"] == ["busy", "plate_not_cleared"]
        desk.clear(printer)
    assert (shown["status"], shown["completed_at"] is not None) == ("completed", True)
    assert [each["status"] for each in shown["runs"]] == ["completed"] * 3
    assert len(desk.starts(job)) == 3
    assert desk.claim() == []
    assert desk.show(job)["progress_percentage"] is None


def test_why_a_job_waits_is_told_for_every_printer(cloud: Cloud, site: Site, desk: Desk, file: str) -> None:
    fitting, other = desk.printer(), desk.printer(model="A1", name="Left")
    job = desk.order(printer_id=fitting["id"])["id"]
    desk.report(fitting, state="offline")
    waiting = desk.send(job, deadline_hours=1)["waiting"]
    reasons = {each["printer_id"]: each["reasons"] for each in waiting["printers"]}
    assert reasons == {fitting["id"]: ["offline"], other["id"]: ["not_wanted", "model_mismatch: P1S"]}
    since, until = (datetime.fromisoformat(waiting[name]) for name in ("since", "deadline_at"))
    assert until - since == timedelta(hours=1)
    desk.report(fitting, state="idle", loadedFilaments=[])
    shown = desk.show(job)["waiting"]["printers"]
    assert {"printer_id": fitting["id"], "printer_name": fitting["name"], "reasons": ["material_missing: PLA"]} in shown
    assert desk.call("GET").json()["print_jobs"][0]["waiting"] is None


def test_the_deadline_that_was_ordered_holds_where_none_is_sent(desk: Desk, file: str) -> None:
    job = desk.order(deadline_hours=0.5)["id"]
    for wrong in (0, 0.016, 169):
        assert "deadline_hours" in refused(desk.call("POST", f"/{job}/send", {"deadline_hours": wrong}), 400)
    for said, hours in (({}, 0.5), ({"deadline_hours": 1 / 60}, 1 / 60), ({"deadline_hours": 168}, 168)):
        shown = desk.send(job, **said)
        assert datetime.fromisoformat(shown["deadline_at"]) - datetime.fromisoformat(shown["updated_at"]) == timedelta(
            hours=hours
        )


def test_a_list_is_filtered_and_goes_on_behind_its_cursor(cloud: Cloud, site: Site, desk: Desk, file: str) -> None:
    other = Desk(cloud, site, user="user-2")
    printer = desk.printer()
    first, second = desk.order()["id"], other.order(priority="urgent", printer_id=printer["id"])["id"]
    third = desk.order(product_id="ANOTHER", file_id=file, priority="urgent")["id"]
    cloud.upload(site.lan_recipient, "UPLOADED")
    uploaded, *ordered = desk.listed()
    assert ordered == [third, second, first]
    assert desk.listed(priority="urgent") == [third, second]
    assert desk.listed(product_id=PRODUCT) == [second, first]
    assert desk.listed(product_id=PRODUCT, created_by="user-2", priority="urgent") == [second]
    assert desk.listed(created_by="user-1") == [third, first]
    assert desk.listed(printer_id=printer["id"]) == [second]
    desk.send(second)
    assert desk.listed(printer_id=printer["id"], status="queued") == [second]
    assert desk.listed(status="queued,claimed") == desk.listed(status=" queued , claimed") == [second]
    assert desk.listed(status="pending") == [uploaded, third, first]
    assert desk.listed(status="") == desk.listed(status=" ") == [uploaded, third, second, first]
    assert desk.listed(recipient_id=site.lan_recipient) == [uploaded]
    assert desk.listed(recipient_id=site.agent_recipient, status="pending") == [third, first]
    assert desk.listed(recipient_id=site.agent_recipient, printer_id=printer["id"]) == [second]
    assert desk.listed(recipient_id=site.lan_recipient, created_by="user-1", product_id=PRODUCT) == []
    pages, cursor = [], None
    while True:
        page = desk.call("GET", limit=1, cursor=cursor, created_by="user-1", priority="urgent").json()
        pages.append([each["id"] for each in page["print_jobs"]])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [each for page in pages for each in page] == [third]
    assert "cursor" in refused(desk.call("GET", cursor="nonsense"), 400)
    assert "limit" in refused(desk.call("GET", limit=0), 400)
    assert "status" in refused(desk.call("GET", status="resting"), 400)
    assert "recipient_id" in refused(desk.call("GET", recipient_id="a/b"), 400)
    assert "priority" in refused(desk.call("GET", priority="asap"), 400)


def test_a_report_goes_where_the_life_of_a_job_goes(desk: Desk, file: str) -> None:
    job = desk.order()["id"]
    told = desk.tell(job, status="printing", progress_percentage=45.5, current_layer=120)
    assert (told["status"], told["progress_percentage"], told["current_layer"]) == ("printing", 45.5, 120)
    assert desk.tell(job, status="printing", current_layer=121)["progress_percentage"] == 45.5
    told = desk.tell(job, progress_percentage=46, time_remaining_seconds=60)
    assert (told["status"], told["progress_percentage"], told["current_layer"]) == ("printing", 46, 121)
    for nothing in ({}, {"status": None}, {"reason": "Just so"}):
        assert "status" in refused(desk.call("PUT", f"/{job}/status", nothing), 400)
    for field, wrong in (("progress_percentage", 101), ("current_layer", 10_000_001), ("total_layers", -1)):
        assert field in refused(desk.call("PUT", f"/{job}/status", {field: wrong}), 400)
    assert desk.tell(job, status="paused")["status"] == "paused"
    for back in ("pending", "queued", "claimed"):
        assert refused(desk.call("PUT", f"/{job}/status", {"status": back}), 409)
    assert "status" in refused(desk.call("PUT", f"/{job}/status", {"status": "resting"}), 400)
    assert desk.tell(job, status="completed")["status"] == "completed"
    assert desk.tell(job, status="completed")["plates_completed"] == 1
    assert refused(desk.call("PUT", f"/{job}/status", {"status": "failed", "reason": "no"}), 409)
    assert desk.cloud.document(f"print_jobs/{job}").data["lateResult"]["status"] == "failed"
    assert refused(desk.call("PUT", f"/{job}/status", {"status": "printing"}), 409)
    assert desk.show(job)["status"] == "completed"


def test_a_persons_word_on_a_print_of_our_agents_counts_where_the_agent_is_silent(desk: Desk, file: str) -> None:
    desk.printer()
    job = desk.order()["id"]
    desk.send(job)
    for word in ("printing", "completed", "failed"):
        assert "agent" in refused(desk.call("PUT", f"/{job}/status", {"status": word}), 409)
    (start,) = desk.claim()
    desk.carry_out(start)
    desk.event(job, "job_started")
    assert desk.tell(job, status="printing", progress_percentage=10)["progress_percentage"] == 10
    assert "agent" in refused(desk.call("PUT", f"/{job}/status", {"status": "failed"}), 409)
    desk.cloud.backend.documents.commit(Update(f"print_jobs/{job}", {"status": "unknown"}))
    assert "agent" in refused(desk.call("PUT", f"/{job}/status", {"status": "printing"}), 409)
    ended = desk.tell(job, status="failed", error_message="It was found on the floor")
    assert (ended["status"], ended["reason"]) == ("failed", "It was found on the floor")
    audited = [each["action"] for each in _audit(desk)]
    assert "job.ended" in audited


@pytest.mark.parametrize("word", ["completed", "failed", "cancelled"])
def test_a_persons_word_ends_a_print_whose_printer_is_silent(desk: Desk, file: str, word: str) -> None:
    printer = desk.printer()
    job = desk.order()["id"]
    desk.send(job)
    (start,) = desk.claim()
    desk.carry_out(start)
    desk.event(job, "job_started")
    desk.report(printer, state="printing")
    assert "agent" in refused(desk.call("PUT", f"/{job}/status", {"status": word}), 409)
    desk.report(printer, state="offline")
    assert "agent" in refused(desk.call("PUT", f"/{job}/status", {"status": "paused"}), 409)
    assert desk.tell(job, status=word)["status"] == word
    shown = desk.cloud.call("GET", f"/api/printers/{printer['id']}", token=desk.token).json()
    assert (shown["current_job_ids"], shown["plate_cleared"]) == ([], False)
    desk.event(job, "job_completed")
    assert desk.show(job)["status"] == word


def _audit(desk: Desk) -> list[Json]:
    path = f"/api/v1/organizations/{desk.site.organization}/audit"
    entries: list[Json] = desk.cloud.call("GET", path, key=desk.site.organization_key).json()["entries"]
    return entries


def test_a_deleted_job_is_gone_and_nothing_prints_it(cloud: Cloud, site: Site, desk: Desk) -> None:
    cloud.upload(site.lan_recipient, PRODUCT)
    job, waits = desk.order(key="one")["id"], desk.order()["id"]
    desk.send(waits)
    for each in (waits, job):
        assert desk.call("DELETE", f"/{each}").json() == {"message": "Print job deleted", "id": each}
    for method, path, body in (
        ("GET", "", None),
        ("DELETE", "", None),
        ("POST", "/send", {}),
        ("POST", "/cancel", {}),
        ("PUT", "/status", {"status": "printing"}),
    ):
        assert refused(desk.call(method, f"/{job}{path}", body), 404) == "id: No such job"
    assert desk.listed() == []
    assert pending(desk, site.lan_recipient) == {"ok": True, "pending": [], "skipped": []}
    desk.printer(site.lan_recipient)
    assert desk.starts(waits) == []
    assert cloud.document(f"print_jobs/{job}").data["status"] == "cancelled"
    assert "there no longer" in refused(desk.call("POST", body={"product_id": PRODUCT}, key="one"), 409)
    assert desk.order()["id"] not in (job, waits)


def test_what_has_begun_is_not_deleted_and_what_has_ended_is(desk: Desk, file: str) -> None:
    desk.printer()
    job = desk.order()["id"]
    desk.send(job)
    assert "cancel it first" in refused(desk.call("DELETE", f"/{job}"), 409)
    desk.cancel(job)
    assert desk.call("DELETE", f"/{job}").status_code == 200


def test_roles_and_organizations_are_kept_apart(cloud: Cloud, site: Site, desk: Desk, file: str) -> None:
    job = desk.order()["id"]
    viewer, stranger = Desk(cloud, site, "viewer", "user-3"), Desk(cloud, cloud.new_site())
    assert viewer.show(job)["id"] == job
    assert viewer.listed() == [job]
    changes = [
        ("POST", "", {"product_id": PRODUCT}),
        ("POST", f"/{job}/send", {}),
        ("POST", f"/{job}/cancel", {}),
        ("PUT", f"/{job}/status", {"status": "printing"}),
        ("DELETE", f"/{job}", None),
    ]
    before = cloud.stored(site.organization)
    for method, path, body in changes:
        assert refused(viewer.call(method, path, body), 403)
        assert refused(stranger.call(method, path, body), 404)
    assert refused(stranger.call("GET", f"/{job}"), 404) == "id: No such job"
    assert stranger.listed() == []
    assert refused(stranger.call("GET", organizationId=site.organization), 403)
    named = {"product_id": PRODUCT, "organizationId": site.organization}
    assert refused(stranger.call("POST", body=named), 403)
    assert cloud.stored(site.organization) == before
