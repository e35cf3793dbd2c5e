"""The first organization of a deployment: made through the API, once, however often it is asked for."""

import json
import os
import secrets
import shlex
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from printpipe.domain.ports.documents import Query, Update, Where
from tests.cloud import ROOT, Cloud
from tools import bootstrap
from tools.bootstrap import Member, OrganizationKey, Refused, Site, Wishes

ONE_BACKEND_AT_REDUCED_COUNTS = True


def run(cloud: Cloud, *arguments: str, key: str | None, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line, against the gateway."""
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "functions"), **environment}
    if key is not None:
        variables[bootstrap.KEY_VARIABLE] = key
    command = [sys.executable, "-m", "tools.bootstrap", "--url", cloud.base_url, *arguments]
    return subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, timeout=60)


def printed(answer: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def counts(cloud: Cloud, organization: str) -> dict[str, int]:
    where = [Where("organizationId", "==", organization)]
    collections = ("organizations", "recipients", "api_keys", "memberships", "audit_log")
    return {each: cloud.backend.documents.count(Query(each, where)) for each in collections}


def test_a_second_run_makes_nothing_and_shows_the_same(cloud: Cloud) -> None:
    name = f"Büro {secrets.token_hex(4)}"
    wishes = ["--organization", name, "--recipient", "Hall 1:agent", "--recipient", "Keller"]
    wishes += ["--key", "Web app:app", "--member", "user-1:admin:user@example.com"]
    first = printed(run(cloud, *wishes, key=cloud.operator_key))
    organization = first["organizationId"]
    assert organization == name.lower().replace("ü", "u").replace(" ", "-")
    made = counts(cloud, organization)
    assert made == {"organizations": 1, "recipients": 2, "api_keys": 3, "memberships": 1, "audit_log": 7}

    hall, cellar = first["recipients"]["Hall 1"], first["recipients"]["Keller"]
    assert (hall["recipientId"], hall["client"]) == (f"{organization}-hall-1", "agent")
    assert (cellar["recipientId"], cellar["client"]) == (f"{organization}-keller", "lan_client")
    for site in (hall, cellar):
        path = f"/control?recipientId={site['recipientId']}"
        assert cloud.call("GET", path, key=site["key"]).status_code == 200
        assert cloud.call("GET", path, key=first["keys"]["Web app"]).status_code == 200
    assert cloud.call("GET", f"/control?recipientId={hall['recipientId']}", key=cellar["key"]).status_code == 403

    assert printed(run(cloud, *wishes, key=cloud.operator_key)) == first
    assert counts(cloud, organization) == made

    more = printed(run(cloud, *wishes, "--recipient", "Attic", key=cloud.operator_key))
    assert set(more["recipients"]) == {"Hall 1", "Keller", "Attic"}
    assert {**more, "recipients": {name: more["recipients"][name] for name in first["recipients"]}} == first


def test_a_key_is_shown_for_a_day_and_a_revoked_one_is_made_anew(cloud: Cloud) -> None:
    wishes = Wishes(f"Shop {secrets.token_hex(4)}", sites=[Site("Hall", "agent")])
    first = bootstrap.bootstrap(cloud.base_url, cloud.operator_key, wishes)
    where = [Where("organizationId", "==", first.organization_id)]
    (stored,) = cloud.backend.documents.query(Query("api_keys", where))
    yesterday = datetime.now(UTC) - timedelta(days=1)
    cloud.backend.documents.commit(Update(stored.path, {"createdAt": yesterday}))
    later = bootstrap.bootstrap(cloud.base_url, cloud.operator_key, wishes)
    assert later.recipients["Hall"]["key"] is None
    assert cloud.backend.documents.count(Query("api_keys", where)) == 1
    key_id = stored.data["keyId"]
    assert cloud.call("DELETE", f"/api/v1/keys/{key_id}", key=cloud.operator_key).status_code == 200
    anew = bootstrap.bootstrap(cloud.base_url, cloud.operator_key, wishes)
    assert anew.recipients["Hall"]["key"] not in (None, first.recipients["Hall"]["key"])
    assert bootstrap.bootstrap(cloud.base_url, cloud.operator_key, wishes) == anew


def test_the_operators_key_may_come_from_a_file(cloud: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "operator.key"
    file.write_text(f"{cloud.operator_key}\n")
    name = f"Shop {secrets.token_hex(4)}"
    made = printed(run(cloud, "--organization", name, "--operator-key-file", str(file), key=None))
    assert made["recipients"] == {}


def test_functions_may_have_addresses_of_their_own(cloud: Cloud) -> None:
    name = f"Shop {secrets.token_hex(4)}"
    wishes = ["--organization", name, "--recipient", "Hall:agent", "--key", "Web app:app", "--member", "user-1:admin"]
    made = printed(run(cloud, "--routing", "functions", *wishes, key=cloud.operator_key))
    assert counts(cloud, made["organizationId"])["api_keys"] == 2
    routes = {json.loads(line)["route"] for line in cloud.log.read_text().splitlines() if '"http_request"' in line}
    for noun in ("organization", "recipient", "key", "membership"):
        assert {f"/cloud-{noun}-list/…", f"/cloud-{noun}-create/…"} <= routes


def test_what_is_refused_is_said_without_a_key(cloud: Cloud) -> None:
    name = f"Shop {secrets.token_hex(4)}"
    wish = ["--organization", name]
    printed(run(cloud, *wish, "--recipient", "Hall:agent", key=cloud.operator_key))
    wrong = secrets.token_hex()
    refusals = {
        "The operator's key is missing": run(cloud, *wish, key=None),
        "401: The API key is not valid": run(cloud, *wish, key=wrong),
        "has the client agent, not lan_client": run(cloud, *wish, "--recipient", "Hall", key=cloud.operator_key),
    }
    for reason, answer in refusals.items():
        assert answer.returncode == 1, reason
        assert reason in answer.stderr
        assert answer.stdout == ""
        assert cloud.operator_key not in answer.stderr
        assert wrong not in answer.stderr
    for reason, wishes in {
        "is that of another organization": Wishes(f"{name}!"),
        "No id can be made": Wishes("???"),
        "No key can have the scope or purpose": Wishes(name, keys=[OrganizationKey("A", "b")]),
        "is a member as admin, not viewer": Wishes(name, members=[Member("me", "admin"), Member("me", "viewer")]),
    }.items():
        with pytest.raises(Refused, match=reason):
            bootstrap.bootstrap(cloud.base_url, cloud.operator_key, wishes)


@pytest.mark.parametrize("wrong", [["--recipient", "Hall:fax"], ["--member", "me"], ["--key", "app"]], ids=str)
def test_a_wish_that_cannot_be_read_is_refused(
    wrong: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bootstrap", "--url", "http://127.0.0.1:9", "--organization", "Shop", *wrong])
    with pytest.raises(SystemExit) as ended:
        bootstrap.main()
    assert ended.value.code == 2
    assert wrong[0] in capsys.readouterr().err


def test_no_key_goes_over_a_line_that_others_can_read() -> None:
    for url in ("http://printpipe.example", "http://10.0.0.1", "ftp://127.0.0.1", "127.0.0.1:8080"):
        with pytest.raises(Refused, match="https"):
            bootstrap.bootstrap(url, "key", Wishes("Shop"))


def test_functions_that_do_not_answer_are_said() -> None:
    with pytest.raises(Refused, match="does not answer"):
        bootstrap.bootstrap("http://127.0.0.1:9", "key", Wishes("Shop"))


def test_make_hands_every_wish_on() -> None:
    wishes = ["URL=https://example.org", "ROUTING=functions", "ORGANIZATION=Work shop", "RECIPIENTS=hall:agent cellar"]
    wishes += ["KEYS=shop:admin web:app", "MEMBERS=sub:admin"]
    command = ["make", "--no-print-directory", "-n", "bootstrap", *wishes]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20)
    asked = shlex.split(shown.stdout.partition("-m tools.bootstrap")[2].replace("\\\n", ""))
    assert asked == [
        *("--url", "https://example.org", "--routing", "functions", "--organization", "Work shop"),
        *("--recipient", "hall:agent", "--recipient", "cellar"),
        *("--key", "shop:admin", "--key", "web:app", "--member", "sub:admin"),
    ]
