"""The vocabulary of scopes: whole, and without a word too many."""

from printpipe.domain.scopes import (
    GRANTABLE,
    OPERATOR_SCOPES,
    ORGANIZATION_SCOPES,
    PURPOSES,
    ROLES,
    expand,
)
from printpipe.domain.tenancy import Caller


def test_no_purpose_goes_beyond_an_organization() -> None:
    for name, scopes in {**PURPOSES, **ROLES}.items():
        assert scopes <= ORGANIZATION_SCOPES, name
    assert not ORGANIZATION_SCOPES & OPERATOR_SCOPES
    assert PURPOSES["admin"] == ORGANIZATION_SCOPES


def test_reading_changes_nothing_and_only_administrators_administer() -> None:
    assert all(scope.endswith(".read") for scope in PURPOSES["read"])
    for name in ("client", "app", "read"):
        assert not [scope for scope in PURPOSES[name] if scope.startswith(("keys.", "members.", "audit."))], name
        assert not {"recipients.write", "organizations.write"} & PURPOSES[name], name
    assert "commands.write" not in PURPOSES["client"]
    assert "commands.execute" not in PURPOSES["app"]


def test_operators_work_printers_and_administrators_alone_see_access_codes() -> None:
    assert ROLES["viewer"] < ROLES["operator"] < ROLES["admin"]
    assert ROLES["operator"] - PURPOSES["app"] == {"commands.execute", "status.write"}
    for held in (ROLES["viewer"], ROLES["operator"], PURPOSES["client"], PURPOSES["app"], PURPOSES["read"]):
        assert "access_codes.read" not in held
    assert "access_codes.read" in ROLES["admin"]


def test_scopes_and_purposes_are_expanded_together() -> None:
    assert expand(["read", "jobs.claim"]) == PURPOSES["read"] | {"jobs.claim"}
    assert expand([]) == frozenset()
    assert expand(["*", "read"]) is None


def test_what_a_key_may_be_given() -> None:
    assert {"*", "client", "jobs.read"} <= set(GRANTABLE)
    assert "organizations.write" not in GRANTABLE
    assert len(GRANTABLE) == len(set(GRANTABLE))


def test_everything_of_an_organization_is_not_the_operators() -> None:
    everything = Caller("key", organization_id="org-1")
    assert everything.may("keys.write")
    assert not everything.may("organizations.write")
    assert Caller("operator").may("organizations.write")
    assert everything.may_grant(None)
    assert not Caller("key", organization_id="org-1", scopes=PURPOSES["app"]).may_grant(None)
