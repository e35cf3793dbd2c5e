"""Enrolment as the operator at the agent's machine meets it."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.config import load
from edge_agent.enrolment import EnrolmentFailed, enroll
from local.ports import free_port
from tests.unit.agent.stand_in_cloud import StandInCloud, stand_in_cloud

CODE = "7K2M-Q9XD-4HTR"
PUBSUB = {
    "project": "demo",
    "subscriptionNormal": "printer-commands-site-1-normal",
    "subscriptionPriority": "printer-commands-site-1-priority",
    "endpoint": None,
}
PRINTER = {"serial": "01P00A", "address": "192.0.2.7", "access_code": "12345678", "ca_file": "/etc/ca.pem"}


@pytest.fixture
def cloud() -> Iterator[StandInCloud]:
    with stand_in_cloud() as made:
        yield made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "printmaster" / "config.json"


def answers(cloud: StandInCloud, **other: Any) -> None:
    told = {"apiKey": "pp_key", "keyId": "k", "recipientId": "site-1", "organizationId": "org-1", "pubsub": PUBSUB}
    cloud.refusals.setdefault("enroll", []).append((201, {"ok": True, **told, **other}))


def holds(path: Path, **content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(content))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def asked(cloud: StandInCloud) -> bool:
    """Whether the code left the house."""
    return bool(cloud.traced)


def test_a_code_becomes_a_configuration(cloud: StandInCloud, path: Path) -> None:
    answers(cloud)
    made = enroll(f" {cloud.url}/ ", CODE, path)
    assert dict(made) == dict(load(path))
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert (made.backend_url, made.api_key) == (cloud.url, "pp_key")
    assert (made.recipient_id, made.organization_id, made.printers) == ("site-1", "org-1", ())
    assert made.pubsub is not None
    assert (made.pubsub.credentials, made.pubsub.endpoint) == ("cloud", None)
    assert made.pubsub.subscription_priority == PUBSUB["subscriptionPriority"]
    assert "endpoint" not in json.loads(path.read_text())["pubsub"]
    assert CODE not in path.read_text()


def test_a_second_enrolment_replaces_the_key_and_keeps_the_rest(cloud: StandInCloud, path: Path) -> None:
    own = {"printers": [PRINTER], "timing": {"reconcile": 30}, "somebody": {"else": "s"}}
    holds(
        path, backend_url="https://old.example.org", api_key="old", recipient_id="old", pubsub={"project": "p"}, **own
    )
    answers(cloud, apiKey="pp_new", recipientId="site-2", organizationId="org-2", pubsub=None)
    made = enroll(cloud.url, CODE, path)
    assert (made.api_key, made.recipient_id, made.organization_id, made.pubsub) == ("pp_new", "site-2", "org-2", None)
    assert [each.serial for each in made.printers] == ["01P00A"]
    kept = json.loads(path.read_text())
    assert {name: kept[name] for name in own} == own
    assert "old" not in path.read_text()


def test_functions_with_addresses_of_their_own_are_called_by_name(path: Path) -> None:
    paths = list[str]()

    class Recording(StandInCloud):
        def answer(self, method: str, path: str, content: bytes) -> tuple[int, dict[str, Any]]:
            paths.append(path)
            return super().answer(method, path, content)

    with stand_in_cloud(Recording) as cloud:
        answers(cloud)
        assert enroll(cloud.url, CODE, path, routing="functions").routing == "functions"
    assert paths == ["/cloud-agent-enroll/api/v1/agents/enroll"]


def test_a_file_that_lists_printers_alone_is_enough(cloud: StandInCloud, path: Path) -> None:
    holds(path, printers=[PRINTER])
    answers(cloud)
    assert len(enroll(cloud.url, CODE, path).printers) == 1


@pytest.mark.parametrize(
    "url",
    [
        *("http://cloud.example.org", "http://192.0.2.1:8080", "http://127.0.0.1.example.org", "ftp://127.0.0.1"),
        *(
            "https://",
            "cloud.example.org",
            "https://me@cloud.example.org",
            "https://:pw@cloud.example.org",
            "https://cloud.example.org?x=1",
            "",
        ),
    ],
)
def test_the_code_goes_over_https_or_nowhere(path: Path, url: str) -> None:
    with pytest.raises(EnrolmentFailed, match="https://"):
        enroll(url, CODE, path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("status", "said"), [(404, "ten minutes"), (429, "later"), (409, "revoke one"), (503, "used up"), (500, "used up")]
)
def test_a_refusal_is_explained_and_changes_nothing(cloud: StandInCloud, path: Path, status: int, said: str) -> None:
    holds(path, printers=[PRINTER])
    before = path.read_bytes()
    cloud.refuse("enroll", status, message="The client has two keys: revoke one of them first", detail="code")
    with pytest.raises(EnrolmentFailed, match=said) as failed:
        enroll(cloud.url, CODE, path)
    assert CODE not in str(failed.value)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("told", [{}, {"apiKey": ""}, {"apiKey": None}, {"pubsub": {"project": "p"}}])
def test_an_answer_that_cannot_be_read_is_none(cloud: StandInCloud, path: Path, told: dict[str, Any]) -> None:
    if told:
        answers(cloud, **told)
    with pytest.raises(EnrolmentFailed, match="another code"):
        enroll(cloud.url, CODE, path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"printers": [{"serial": "1"}]}', "printers.0.address"),
        ('{"printers": [{"type": "typewriter", "serial": "1", "address": "a", "access_code": "c"}]}', "a printer is"),
        ("[]", "JSON object"),
        ("{", "JSON"),
    ],
)
def test_a_file_that_would_not_do_costs_no_code(cloud: StandInCloud, path: Path, content: str, said: str) -> None:
    holds(path)
    path.write_text(content)
    with pytest.raises(EnrolmentFailed, match=said):
        enroll(cloud.url, CODE, path)
    assert not asked(cloud)
    assert path.read_text() == content


def test_a_file_that_others_read_costs_no_code(cloud: StandInCloud, path: Path) -> None:
    holds(path, printers=[PRINTER])
    path.chmod(0o644)
    with pytest.raises(EnrolmentFailed, match="chmod 600"):
        enroll(cloud.url, CODE, path)
    assert not asked(cloud)


def test_a_folder_that_cannot_be_is_found_before(cloud: StandInCloud, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnrolmentFailed, match="cannot be written"):
        enroll(cloud.url, CODE, tmp_path / "file" / "config.json")
    assert not asked(cloud)


def test_nobody_there_used_no_code(path: Path) -> None:
    with pytest.raises(EnrolmentFailed, match="does not answer") as failed:
        enroll(f"http://127.0.0.1:{free_port()}", CODE, path)
    assert "used up" not in str(failed.value)


def test_nothing_of_it_is_logged(cloud: StandInCloud, path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    answers(cloud)
    enroll(cloud.url, CODE, path)
    with pytest.raises(EnrolmentFailed):
        enroll(f"{cloud.url}/elsewhere", CODE, path)
    printed = "".join(capfd.readouterr())
    assert CODE not in printed
    assert "pp_key" not in printed
