"""Makes an organization with its sites, keys and members, through the API.

    python -m tools.bootstrap --url https://… [--routing functions] --organization NAME [--recipient NAME[:agent]]…
                              [--key NAME:PURPOSE]… [--member USER:ROLE[:EMAIL]]…

The operator's key comes from the variable PRINTPIPE_OPERATOR_KEY or from a file, never from the command line, which
other users can see. The result is one JSON object on stdout with the new keys: nothing else ever shows them. Running
it again makes nothing twice; within a day it shows the same keys again, after that null for those that are there.
"""

import argparse
import hashlib
import ipaddress
import json
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args
from urllib.parse import urlencode, urlsplit

import urllib3

from printpipe.runtime import catalog

Routing = Literal["paths", "functions"]
"""Whether one address serves all paths, or the URL is the prefix before each function's name."""

KEY_VARIABLE = "PRINTPIPE_OPERATOR_KEY"
SHOWN_AGAIN = timedelta(hours=23, minutes=55)
"""How long the same call surely shows the same key: a little less than the functions promise."""

_TIMEOUT = 30.0
_RETRIES = urllib3.Retry(
    5,
    connect=1,
    redirect=False,
    backoff_factor=0.5,
    status_forcelist=(429, 503),
    allowed_methods=None,
    raise_on_status=False,
)
_CLIENTS = ("lan_client", "agent")
_ROLES = ("viewer", "operator", "admin")
_WORD = re.compile(r"[^a-z0-9]+")

_T = TypeVar("_T")


class Refused(Exception):
    """The functions did not do what was asked; the message says why."""


@dataclass(frozen=True)
class Site:
    """A recipient: its name, its kind of client, and its id where that is not made from the names."""

    name: str
    client: str = "lan_client"
    recipient_id: str | None = None


@dataclass(frozen=True)
class OrganizationKey:
    """A key for the whole organization, for a purpose."""

    name: str
    purpose: str


@dataclass(frozen=True)
class Member:
    """A user with a role."""

    user_id: str
    role: str
    email: str | None = None


@dataclass(frozen=True)
class Wishes:
    """All that shall be there."""

    organization: str
    organization_id: str | None = None
    sites: Sequence[Site] = ()
    keys: Sequence[OrganizationKey] = ()
    members: Sequence[Member] = ()


@dataclass(frozen=True)
class Result:
    """What is there; a key is None where it is older than a day and cannot be shown again."""

    organization_id: str
    recipients: Mapping[str, Mapping[str, str | None]] = field(repr=False)
    keys: Mapping[str, str | None] = field(repr=False)
    members: Mapping[str, str]

    def text(self) -> str:
        """As JSON."""
        shown = {
            "organizationId": self.organization_id,
            "recipients": self.recipients,
            "keys": self.keys,
            "members": self.members,
        }
        return json.dumps(shown, indent=2, ensure_ascii=False)


def bootstrap(url: str, operator_key: str, wishes: Wishes, routing: Routing = "paths") -> Result:
    """Makes what is not there yet. Raises `Refused`."""
    return _Bootstrap(_Api(url, operator_key, routing), wishes).run()


class _Bootstrap:
    def __init__(self, api: "_Api", wishes: Wishes) -> None:
        self._api, self._wishes = api, wishes
        self._organization = wishes.organization_id or slug(wishes.organization)

    def run(self) -> Result:
        self._make_organization()
        recipients: dict[str, dict[str, str | None]] = {}
        known = {each["recipientId"]: each for each in self._list("recipients")}
        keys = self._list("keys")
        for site in self._wishes.sites:
            recipient_id = site.recipient_id or f"{self._organization}-{slug(site.name)}"
            self._make_recipient(site, recipient_id, known.get(recipient_id))
            key = self._make_key(f"{site.name} ({site.client})", ["client"], [recipient_id], keys)
            recipients[site.name] = {"recipientId": recipient_id, "client": site.client, "key": key}
        return Result(
            organization_id=self._organization,
            recipients=recipients,
            keys={each.name: self._make_key(each.name, [each.purpose], None, keys) for each in self._wishes.keys},
            members=self._make_members(),
        )

    def _make_organization(self) -> None:
        path = f"/api/v1/organizations?{urlencode({'organizationId': self._organization})}"
        status, answer = self._api.call("GET", path)
        if status == 404:
            body = {"name": self._wishes.organization, "organizationId": self._organization}
            self._post("organizations", body)
            return
        (found,) = _expected(status, answer, 200)["organizations"]
        if found["name"] != self._wishes.organization:
            raise Refused(f"The id {self._organization} is that of another organization: {found['name']}")

    def _make_recipient(self, site: Site, recipient_id: str, known: Mapping[str, Any] | None) -> None:
        if known is None:
            body = {"name": site.name, "client": site.client, "recipientId": recipient_id}
            self._post("recipients", {**body, "organizationId": self._organization})
        elif known["client"] != site.client:
            raise Refused(f"The recipient {recipient_id} has the client {known['client']}, not {site.client}")

    def _make_key(
        self, name: str, scopes: list[str], recipients: list[str] | None, known: Sequence[Mapping[str, Any]]
    ) -> str | None:
        """The key, where it is new or can be shown again."""
        wanted = (name, recipients, scopes)
        live = [
            each
            for each in known
            if (each["name"], each["recipientIds"], each["scopes"]) == wanted and each["revokedAt"] is None
        ]
        if live and all(datetime.now(UTC) - _time(each["createdAt"]) > SHOWN_AGAIN for each in live):
            return None
        revoked = sorted(
            each["keyId"]
            for each in known
            if (each["name"], each["recipientIds"], each["scopes"]) == wanted and each["revokedAt"] is not None
        )
        body = {"organizationId": self._organization, "name": name, "scopes": scopes, "recipientIds": recipients}
        # Each key that was revoked makes room for another one, which is another call.
        answer = self._post("keys", body, mark=revoked)
        return str(answer["key"])

    def _make_members(self) -> dict[str, str]:
        known = {each["userId"]: each for each in self._list("memberships")}
        for member in self._wishes.members:
            if member.user_id not in known:
                body = {"userId": member.user_id, "role": member.role, "email": member.email}
                known[member.user_id] = self._post("memberships", {**body, "organizationId": self._organization})
            elif known[member.user_id]["role"] != member.role:
                raise Refused(f"{member.user_id} is a member as {known[member.user_id]['role']}, not {member.role}")
        return {member.user_id: str(known[member.user_id]["membershipId"]) for member in self._wishes.members}

    def _list(self, noun: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            query = urlencode({"organizationId": self._organization, "limit": 200, "cursor": cursor})
            answer = _expected(*self._api.call("GET", f"/api/v1/{noun}?{query}"), 200)
            found += answer[noun]
            cursor = answer["nextCursor"]
        return found

    def _post(self, noun: str, body: Mapping[str, Any], mark: object = None) -> dict[str, Any]:
        asked = json.dumps([noun, body, mark], sort_keys=True)
        once = f"bootstrap-{hashlib.sha256(asked.encode()).hexdigest()}"
        return _expected(*self._api.call("POST", f"/api/v1/{noun}", body, once), 201)


class _Api:
    """The functions, as the operator calls them. Raises `Refused` where they are out of reach."""

    def __init__(self, url: str, operator_key: str, routing: Routing) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
            raise Refused("The key goes over https only, or to this machine itself")
        self._url, self._key = url.rstrip("/"), operator_key
        rows = catalog.rows().values() if routing == "functions" else ()
        self._functions = {(method, path): row.name for row in rows for path, method in _served(row)}

    def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, once: str | None = None
    ) -> tuple[int, dict[str, Any]]:
        if function := self._functions.get((method, path.partition("?")[0])):
            path = f"/{function}{path}"
        headers = {"X-API-Key": self._key, **({"Idempotency-Key": once} if once else {})}
        try:
            answer = urllib3.request(
                method, self._url + path, json=body, headers=headers, timeout=_TIMEOUT, retries=_RETRIES
            )
            content = answer.json()
        except urllib3.exceptions.HTTPError as error:
            raise Refused(f"{self._url} does not answer: {type(error).__name__}") from None
        except ValueError:
            raise Refused(f"{self._url}{path.partition('?')[0]} answered {answer.status}, and no JSON") from None
        return answer.status, content


def _served(row: catalog.Row) -> Iterator[tuple[str, str]]:
    """A function's paths, each with its methods."""
    if row.http:
        yield from product(row.http.paths, row.http.methods)


def slug(name: str) -> str:
    """An id made from a name: lower-case letters, digits and hyphens. Raises `Refused` where nothing is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    found = _WORD.sub("-", plain).strip("-")[:48].strip("-")
    if not found:
        raise Refused(f"No id can be made from the name {name}")
    return found


def _expected(status: int, answer: dict[str, Any], wanted: int) -> dict[str, Any]:
    if status != wanted:
        raise Refused(f"{status}: {answer.get('message')} ({answer.get('detail')})")
    return answer


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tools.bootstrap", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", required=True, help="where the functions are, or with --routing functions the prefix")
    parser.add_argument(
        "--routing", choices=get_args(Routing), default="paths",
        help="whether one address serves all paths, or every function has an address of its own (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--organization", required=True, metavar="NAME")
    parser.add_argument("--organization-id", metavar="ID", help="(default: made from the name)")
    parser.add_argument(
        "--recipient", action="append", default=[], type=_checked(_site), metavar="NAME[:CLIENT]",
        help=f"a LAN site; its client is one of {', '.join(_CLIENTS)}",
    )  # fmt: skip
    parser.add_argument(
        "--key", action="append", default=[], type=_checked(_key), metavar="NAME:PURPOSE",
        help="a key for the whole organization: app, read or admin",
    )  # fmt: skip
    parser.add_argument(
        "--member", action="append", default=[], type=_checked(_member), metavar="USER:ROLE[:EMAIL]",
        help=f"one of {', '.join(_ROLES)}",
    )  # fmt: skip
    parser.add_argument(
        "--operator-key-file", type=Path, metavar="PATH", help=f"instead of the variable {KEY_VARIABLE}"
    )
    return parser


def _checked(read: Callable[[str], _T]) -> Callable[[str], _T]:
    def parse(text: str) -> _T:
        try:
            return read(text)
        except ValueError as reason:
            raise argparse.ArgumentTypeError(str(reason)) from None

    return parse


def _site(text: str) -> Site:
    name, _, client = text.partition(":")
    return Site(name, _one_of(client or "lan_client", _CLIENTS))


def _key(text: str) -> OrganizationKey:
    name, _, purpose = text.rpartition(":")
    if not name:
        raise ValueError("must be NAME:PURPOSE")
    return OrganizationKey(name, purpose)


def _member(text: str) -> Member:
    user, role, *email = [*text.split(":", 2), ""][:3]
    return Member(user, _one_of(role, _ROLES), email[0] if email and email[0] else None)


def _one_of(value: str, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise ValueError(f"{value!r} is none of {', '.join(allowed)}")
    return value


def main() -> None:
    """The command line; exits 1 with the reason where something was refused."""
    arguments = _parser().parse_args()
    wishes = Wishes(
        arguments.organization, arguments.organization_id, arguments.recipient, arguments.key, arguments.member
    )
    try:
        file: Path | None = arguments.operator_key_file
        key = file.read_text().strip() if file else os.environ.get(KEY_VARIABLE, "")
        if not key:
            raise Refused(f"The operator's key is missing: set {KEY_VARIABLE}, or name a file with it")
        print(bootstrap(arguments.url, key, wishes, arguments.routing).text())
    except (Refused, OSError) as reason:
        sys.exit(str(reason))


if __name__ == "__main__":
    main()
