"""Files larger than a request: announced, put into the bucket in parts, verified, and only then files."""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from local.sample_print import make_3mf
from printpipe.domain.ports.documents import Query, Update, Where
from tests.cloud import Cloud, Site
from tests.contract.file_reading import read
from tests.unit.print_files.test_refusals import ARCHIVES

GCODE = b"G28\nG1 X1 Y2 E0.1\n; filament used [g] = 3.68\n"
CHUNK = 8 << 20


def begin(cloud: Cloud, site: Site, content: bytes, name: str = "big.gcode", **more: Any) -> dict[str, Any]:
    """Opens an upload; the answer's body."""
    body = {"recipientId": site.lan_recipient, "productId": "PROD-BIG", "fileName": name, "size": len(content), **more}
    answer = cloud.call("POST", "/upload", key=site.lan_key, json=body)
    assert answer.status_code == 200, answer.text
    opened: dict[str, Any] = answer.json()
    return opened


def put(url: str, content: bytes) -> requests.Response:
    """Puts it in one part."""
    return requests.put(url, data=content, timeout=30)


def complete(
    cloud: Cloud, site: Site, file_id: str, sha256: str | None = None, *, key: str | None = None, **more: Any
) -> requests.Response:
    """Asks for the upload's verification."""
    body = {**({"sha256": sha256} if sha256 else {}), **more}
    return cloud.call("POST", f"/upload/{file_id}/complete", key=key or site.lan_key, json=body)


def uploaded(cloud: Cloud, site: Site, content: bytes, name: str = "big.gcode", **more: Any) -> dict[str, Any]:
    """An upload whose bytes are in the bucket."""
    opened = begin(cloud, site, content, name, sha256=digest(content), **more)
    assert put(opened["uploadUrl"], content).ok
    return opened


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _key(key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": key} if key else {}


def assert_refused(answer: requests.Response, status: int, detail: str) -> None:
    assert (answer.status_code, answer.json()["ok"]) == (status, False), answer.text
    assert detail in answer.json()["detail"], answer.text


def is_in_bucket(cloud: Cloud, opened: Mapping[str, Any]) -> bool:
    return cloud.backend.files.stat(opened["gcsPath"]) is not None


def listed(cloud: Cloud, site: Site) -> list[str]:
    body = {"recipientId": site.lan_recipient}
    jobs = cloud.call("POST", "/api/apps/app/functions/listPendingJobs", key=site.lan_key, json=body).json()
    return [each["fileId"] for each in [*jobs["pending"], *jobs["skipped"]]]


def records(cloud: Cloud, file_id: str) -> list[str]:
    found = cloud.backend.documents.query(Query("audit_log", [Where("subject", "==", file_id)]))
    return [each.data["action"] for each in found]


def test_a_file_of_40_mb_goes_up_is_verified_and_can_be_claimed(cloud: Cloud, site: Site) -> None:
    content = b"G28\n" + b"G1 X10.1 Y20.2 E0.3 ; moving on\n" * 1_250_000
    opened = begin(cloud, site, content, sha256=digest(content), contentType="application/x-gcode")
    assert opened["status"] == "uploading"
    assert (opened["fetchToken"], opened["uploadMethod"]) == (None, "PUT")
    assert _send_in_parts(opened["uploadUrl"], content, resumable=not cloud.backend.embedded)
    assert listed(cloud, site) == []
    assert cloud.documents("files", site.lan_recipient) == cloud.documents("print_jobs", site.lan_recipient) == []
    finished = complete(cloud, site, opened["fileId"])
    assert finished.status_code == 200, finished.text
    body = finished.json()
    assert (body["fileId"], body["jobId"], body["gcsPath"]) == (opened["fileId"], opened["fileId"], opened["gcsPath"])
    assert (body["size"], body["sha256"], len(body["plates"])) == (len(content), digest(content), 1)
    assert listed(cloud, site) == [opened["fileId"]]
    fetched = cloud.call("GET", f"/fetch/{body['fetchToken']}").json()
    assert fetched["data"] is None
    assert fetched["md5"] == hashlib.md5(content).hexdigest()
    assert digest(requests.get(fetched["downloadUrl"], timeout=30).content) == digest(content)
    assert cloud.document(f"print_jobs/{opened['fileId']}").data["status"] == "claimed"


def _send_in_parts(url: str, content: bytes, *, resumable: bool) -> bool:
    """Puts the content chunk by chunk, one of them cut off halfway and sent again; in one part where none else is."""
    if not resumable:
        return put(url, content).ok
    size, position, cut = len(content), 0, False
    while position < size:
        end = min(position + CHUNK, size)
        headers = {"Content-Range": f"bytes {position}-{end - 1}/{size}", "Content-Length": str(end - position)}
        if position and not cut:
            cut = True
            with pytest.raises(requests.ConnectionError):
                requests.put(url, data=_Breaking(content[position:end]), headers=headers, timeout=30)
            continue
        answer = requests.put(url, data=content[position:end], headers=headers, timeout=30)
        if answer.status_code != 308:
            return answer.ok and end == size
        position = int(answer.headers["Range"].removeprefix("bytes=0-")) + 1
    return False


class _Breaking:
    """A body whose connection breaks when half of it is sent."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._position = 0

    def __len__(self) -> int:
        return len(self._content)

    def read(self, size: int = -1) -> bytes:
        if self._position >= len(self._content) // 2:
            raise requests.ConnectionError("cut")
        size = 1 << 16 if size < 0 else size
        self._position += size
        return self._content[self._position - size : self._position]


def test_a_3mf_is_looked_at_as_if_it_came_whole(cloud: Cloud, site: Site) -> None:
    content = make_3mf("two plates", layers=5, seconds=900, plates=2, filament="PETG")
    opened = uploaded(cloud, site, content, "Zwei.gcode.3mf", encryptedData="for the owner", unencryptedData="u")
    assert "owner" not in str(dict(cloud.document(f"uploads/{opened['fileId']}").data))
    body = complete(cloud, site, opened["fileId"]).json()
    assert [plate["index"] for plate in body["plates"]] == [1, 2]
    stored = cloud.document(f"files/{opened['fileId']}").data
    assert (stored["fileName"], stored["status"]) == ("Zwei.gcode.3mf", "uploaded")
    for path in (plate.thumbnail_path for plate in read(cloud, opened["fileId"]).plates):
        assert path is not None
        with cloud.backend.files.open(path) as picture:
            assert picture.read(8) == b"\x89PNG\r\n\x1a\n"
    fetched = cloud.call("GET", f"/fetch/{body['fetchToken']}").json()
    assert base64.b64decode(fetched["data"]) == content
    assert fetched["metadata"] == {"encryptedData": "for the owner", "unencryptedData": "u"}


def test_completed_again_it_is_the_same_file(cloud: Cloud, site: Site) -> None:
    opened = uploaded(cloud, site, GCODE)
    first = complete(cloud, site, opened["fileId"])
    again = complete(cloud, site, opened["fileId"], digest(GCODE), recipientId=site.lan_recipient)
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert len(cloud.documents("print_jobs", site.lan_recipient)) == 1
    assert sorted(records(cloud, opened["fileId"])) == ["file.uploaded", "upload.opened"]
    assert_refused(complete(cloud, site, opened["fileId"], "0" * 64), 409, "completed")


def test_of_many_that_complete_one_makes_the_job(cloud: Cloud, site: Site) -> None:
    content = make_3mf("race", layers=3, seconds=60)
    opened = uploaded(cloud, site, content, "race.3mf")
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: complete(cloud, site, opened["fileId"]), range(6)))
    assert [answer.status_code for answer in answers] == [200] * 6, [answer.text for answer in answers]
    assert len({answer.text for answer in answers}) == 1
    assert len(cloud.documents("print_jobs", site.lan_recipient)) == 1
    assert sorted(records(cloud, opened["fileId"])) == ["file.uploaded", "upload.opened"]
    assert len(read(cloud, opened["fileId"]).plates) == 1


def test_a_right_and_a_wrong_completion_at_once_leave_a_whole_file_or_none(cloud: Cloud, site: Site) -> None:
    for _ in range(4):
        opened = begin(cloud, site, GCODE)
        assert put(opened["uploadUrl"], GCODE).ok
        sums = [digest(GCODE), "0" * 64]
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda sha, file=opened["fileId"]: complete(cloud, site, file, sha), sums))
        right = answers[0].status_code
        assert (right, answers[1].status_code) in {(200, 400), (200, 409), (410, 400), (409, 400)}
        assert is_in_bucket(cloud, opened) == (right == 200)
        assert (opened["fileId"] in listed(cloud, site)) == (right == 200)


def test_what_was_completed_cannot_be_overwritten(cloud: Cloud, site: Site) -> None:
    opened = uploaded(cloud, site, GCODE)
    token = complete(cloud, site, opened["fileId"]).json()["fetchToken"]
    assert put(opened["uploadUrl"], GCODE.replace(b"X1", b"X9")).status_code in (404, 412)
    fetched = cloud.call("GET", f"/fetch/{token}").json()
    assert base64.b64decode(fetched["data"]) == GCODE


def test_nothing_can_be_completed_before_it_is_there(cloud: Cloud, site: Site) -> None:
    opened = begin(cloud, site, GCODE)
    assert_refused(complete(cloud, site, opened["fileId"]), 400, "sha256")
    assert_refused(complete(cloud, site, opened["fileId"], digest(GCODE)), 409, "uploading")
    assert put(opened["uploadUrl"], GCODE).ok
    assert complete(cloud, site, opened["fileId"], digest(GCODE).upper()).status_code == 200


def assert_failed(cloud: Cloud, site: Site, opened: Mapping[str, Any], answer: requests.Response, field: str) -> None:
    """Refused for good: the bytes are gone, and there is no file."""
    assert_refused(answer, 400, field)
    assert not is_in_bucket(cloud, opened)
    assert sorted(records(cloud, opened["fileId"])) == ["upload.failed", "upload.opened"]
    assert cloud.document(f"uploads/{opened['fileId']}").data["uploadUrl"] is None
    assert_refused(complete(cloud, site, opened["fileId"], digest(GCODE)), 410, "")
    assert cloud.backend.documents.get_many([f"{kind}/{opened['fileId']}" for kind in ("files", "print_jobs")]) == {}


def test_other_bytes_than_announced_are_refused(cloud: Cloud, site: Site) -> None:
    opened = begin(cloud, site, GCODE)
    assert put(opened["uploadUrl"], GCODE).ok
    assert_failed(cloud, site, opened, complete(cloud, site, opened["fileId"], "0" * 64), "sha256")
    opened = begin(cloud, site, GCODE, sha256=digest(GCODE), md5="0" * 32)
    assert put(opened["uploadUrl"], GCODE).ok
    assert_failed(cloud, site, opened, complete(cloud, site, opened["fileId"]), "md5")


def test_a_sum_that_contradicts_the_first_one_costs_nothing(cloud: Cloud, site: Site) -> None:
    opened = uploaded(cloud, site, GCODE)
    assert_refused(complete(cloud, site, opened["fileId"], "0" * 64), 400, "sha256")
    assert complete(cloud, site, opened["fileId"]).status_code == 200


def test_fewer_or_more_bytes_than_announced_are_refused(cloud: Cloud, site: Site) -> None:
    for content in (GCODE[:-1], GCODE + b"\n"):
        opened = begin(cloud, site, GCODE, sha256=digest(GCODE))
        if put(opened["uploadUrl"], content).ok:  # a store that does not hold its URL to the size
            assert_failed(cloud, site, opened, complete(cloud, site, opened["fileId"]), "size")
        else:
            assert_refused(complete(cloud, site, opened["fileId"]), 409, "uploading")


@pytest.mark.one_backend
@pytest.mark.parametrize("case", ["bomb", "symbolic link", "parent", "duplicate", "zip in the zip", "trailing data"])
def test_a_hostile_archive_is_refused(cloud: Cloud, site: Site, case: str) -> None:
    opened = uploaded(cloud, site, ARCHIVES[case][0], "part.3mf")
    answer = complete(cloud, site, opened["fileId"])
    assert_failed(cloud, site, opened, answer, "file")
    assert any(part in answer.json()["message"] for part in ARCHIVES[case][1].split("|")), answer.text


@pytest.mark.one_backend
@pytest.mark.parametrize("content", [b"no G-code at all\n", b"G28\n\0", make_3mf("x", layers=2, seconds=9)])
def test_what_is_no_gcode_is_refused(cloud: Cloud, site: Site, content: bytes) -> None:
    opened = uploaded(cloud, site, content)
    assert_failed(cloud, site, opened, complete(cloud, site, opened["fileId"]), "file")


def test_an_upload_ends_after_a_while(cloud: Cloud, site: Site) -> None:
    opened = uploaded(cloud, site, GCODE)
    until = datetime.fromisoformat(opened["uploadExpiresAt"])
    assert timedelta(hours=5, minutes=59) < until - datetime.now(UTC) < timedelta(hours=6, minutes=1)
    past = {"expiresAt": datetime.now(UTC) - timedelta(seconds=1)}
    cloud.backend.documents.commit(Update(f"uploads/{opened['fileId']}", past))
    assert_refused(complete(cloud, site, opened["fileId"]), 410, "")
    assert not is_in_bucket(cloud, opened)
    assert_refused(complete(cloud, site, opened["fileId"]), 410, "")


def test_an_upload_is_its_tenants(cloud: Cloud, site: Site) -> None:
    opened = uploaded(cloud, site, GCODE)
    for key in (site.agent_key, cloud.new_site().organization_key):
        answer = complete(cloud, site, opened["fileId"], digest(GCODE), key=key)
        assert_refused(answer, 404, "fileId")
        assert answer.json() == complete(cloud, site, "no-such-upload", key=key).json()
    assert_refused(complete(cloud, site, opened["fileId"], recipientId=site.agent_recipient), 404, "fileId")
    assert complete(cloud, site, opened["fileId"], key=site.organization_key).status_code == 200


def test_until_it_is_completed_nothing_can_be_done_with_it(cloud: Cloud, site: Site) -> None:
    opened = uploaded(cloud, site, GCODE)
    url = f"https://storage.googleapis.com/{opened['gcsBucket']}/{opened['gcsPath']}"
    base = {"recipientId": site.lan_recipient, "printerSerial": "01S00A", "productId": "PROD-BIG"}
    for more in ({"fileId": opened["fileId"]}, {"gcodeUrl": url}, {}):
        answer = cloud.call("POST", "/api/print-jobs", key=site.lan_key, json={**base, **more})
        assert answer.status_code == 404, answer.text
    claim = {"recipientId": site.lan_recipient, "printerId": "lan", "jobId": opened["fileId"]}
    answer = cloud.call("POST", "/api/apps/app/functions/claimJob", key=site.lan_key, json=claim)
    assert answer.status_code == 404, answer.text


def test_the_same_key_gets_the_same_upload(cloud: Cloud, site: Site) -> None:
    key = secrets.token_hex(8)
    body = {"recipientId": site.lan_recipient, "productId": "PROD-KEY", "fileName": "a.gcode", "size": len(GCODE)}

    def ask(**more: Any) -> requests.Response:
        return cloud.call("POST", "/upload", key=site.lan_key, json={**body, **more}, headers=_key(key))

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ask(), range(4)))
    assert len({answer.text for answer in answers}) == 1, [answer.text for answer in answers]
    opened = answers[0].json()
    assert_refused(ask(size=99), 409, "Idempotency-Key")
    form = {"recipientId": site.lan_recipient, "productId": "PROD-KEY"}
    parts = {"file": ("a.gcode", GCODE, "text/plain")}
    direct = cloud.call("POST", "/upload", key=site.lan_key, data=form, files=parts, headers=_key(key))
    assert_refused(direct, 409, "Idempotency-Key")
    assert put(ask().json()["uploadUrl"], GCODE).ok
    finished = complete(cloud, site, opened["fileId"], digest(GCODE))
    assert finished.status_code == 200, finished.text
    assert ask().json() == finished.json()


def test_the_way_into_the_bucket_lies_sealed_until_the_upload_ends(cloud: Cloud, site: Site) -> None:
    opened = uploaded(cloud, site, GCODE)
    assert opened["uploadUrl"] not in str(cloud.stored(site.organization))
    upload = cloud.document(f"uploads/{opened['fileId']}").data
    assert upload["uploadUrl"].startswith("k1.")
    assert opened["uploadUrl"] not in cloud.log.read_text()
    assert complete(cloud, site, opened["fileId"]).status_code == 200
    assert cloud.document(f"uploads/{opened['fileId']}").data["uploadUrl"] is None


def test_a_key_of_a_direct_upload_opens_no_other(cloud: Cloud, site: Site) -> None:
    key = secrets.token_hex(8)
    form = {"recipientId": site.lan_recipient, "productId": "PROD-KEY"}
    parts = {"file": ("a.gcode", GCODE, "text/plain")}
    assert cloud.call("POST", "/upload", key=site.lan_key, data=form, files=parts, headers=_key(key)).ok
    body = {**form, "fileName": "a.gcode", "size": len(GCODE)}
    assert_refused(
        cloud.call("POST", "/upload", key=site.lan_key, json=body, headers=_key(key)), 409, "Idempotency-Key"
    )


def test_a_form_without_a_file_opens_an_upload_too(cloud: Cloud, site: Site) -> None:
    form = {"recipientId": site.lan_recipient, "productId": "PROD-F", "fileName": "a.3mf", "size": str(600_000)}
    answer = cloud.call("POST", "/upload", key=site.lan_key, files={name: (None, text) for name, text in form.items()})
    assert (answer.status_code, answer.json()["size"]) == (200, 600_000), answer.text


@pytest.mark.one_backend
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"size": 0}, "size"),
        ({"size": -1}, "size"),
        ({"size": 500_000_001}, "size"),
        ({"size": 10**30}, "size"),
        ({"size": 1.5}, "size"),
        ({"size": "600000"}, "size"),
        ({"size": True}, "size"),
        ({"size": None}, "file"),
        ({"fileName": None}, "fileName"),
        ({"fileName": "tower.stl"}, "fileName"),
        ({"fileName": "../tower.gcode"}, "fileName"),
        ({"fileName": "a" * 250 + ".gcode"}, "fileName"),
        ({"contentType": "image/png"}, "contentType"),
        ({"contentType": "text/html; charset=utf-8"}, "contentType"),
        ({"sha256": "abc"}, "sha256"),
        ({"sha256": "g" * 64}, "sha256"),
        ({"sha256": "0" * 64 + "\n"}, "sha256"),
        ({"md5": "0" * 31}, "md5"),
    ],
)
def test_a_bad_announcement_is_refused_at_once(cloud: Cloud, site: Site, change: Mapping[str, Any], field: str) -> None:
    body = {
        "recipientId": site.lan_recipient,
        "productId": "PROD-BAD",
        "fileName": "tower.gcode",
        "size": 40_000_000,
        **change,
    }
    assert_refused(cloud.call("POST", "/upload", key=site.lan_key, json=body), 400, field)
    assert cloud.documents("uploads", site.lan_recipient) == []


def test_a_direct_upload_that_is_too_large_is_shown_the_way(cloud: Cloud, site: Site) -> None:
    form = {"recipientId": site.lan_recipient, "productId": "PROD-33"}
    for size in (32_500_000, 34_000_000):  # beyond the file's limit, beyond the request's
        content = b"G1 X1 ; padding\n" * (size // 16)
        answer = cloud.call("POST", "/upload", key=site.lan_key, data=form, files={"file": ("a.gcode", content)})
        assert answer.status_code == 413, answer.text
        assert "POST /upload with its size" in answer.json()["message"]
    assert cloud.documents("files", site.lan_recipient) == []
