"""Bearer tokens: whose they are, and for which organization their users may act."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import jwt
from jwt import PyJWK
from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAlgorithmError,
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidSignatureError,
    MissingRequiredClaimError,
    PyJWTError,
)
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from printpipe.domain.errors import Forbidden, InvalidInput, Unauthenticated
from printpipe.domain.ids import membership_id
from printpipe.domain.log import log_failure
from printpipe.domain.policy import Policy
from printpipe.domain.ports.platform import Platform
from printpipe.domain.scopes import ROLES, Role
from printpipe.domain.tenancy import USER_PREFIX, Caller
from printpipe.domain.tenant_records import Membership
from printpipe.domain.values import EmailAddress, Id
from printpipe.services.access.lookups import Found, Lookups
from printpipe.services.access.trusted_keys import TrustedKeys

LEEWAY_SECONDS = 30
"""By how much an issuer's clock may differ from ours."""

LONGEST_TOKEN = 8 * 1024
"""Letters of the longest token that is read."""

_COMPACT = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2}")
_LONGEST_KEY_ID = 256
_DEEPEST = 20
_TIMES = ("exp", "nbf", "iat")
_LAST_SECOND = 253_402_300_799  # of the year 9999
_USER_CLAIMS = ("userId", "sub", "id")
_NAMES = {"userId": "user (userId, sub or id)"}
_UNTRUSTED = "The token is not signed by anybody who is trusted here"
_UNREADABLE = "The token cannot be read"
_WHY: tuple[tuple[type[PyJWTError], str], ...] = (
    (ExpiredSignatureError, "The token has expired"),
    (ImmatureSignatureError, "The token is not valid yet"),
    (InvalidAudienceError, "The token is for another audience"),
    (InvalidIssuerError, "The token is from another issuer"),
    (InvalidSignatureError, _UNTRUSTED),
    (InvalidAlgorithmError, _UNTRUSTED),
)
_EMAIL: TypeAdapter[str] = TypeAdapter(EmailAddress)


@dataclass(frozen=True)
class Identity:
    """What a valid token says of its user; `email` is for people to read and proves nothing."""

    user_id: str
    email: str | None = None
    organization_id: str | None = None
    role: Role | None = None


class Tokens:
    """Verifies bearer tokens as the deployment's policy says; `tick` is a monotonic clock in seconds.

    Which keys and algorithms are good is configured. A token's header chooses among the issuer's keys by their ids,
    and nothing else.
    """

    def __init__(self, platform: Platform, policy: Policy, tick: Callable[[], float]) -> None:
        self._policy = policy.bearer_tokens
        self._keys = TrustedKeys(platform, self._policy.algorithms, tick)

    def verify(self, token: str) -> Identity:
        """Whose the token is.

        Raises `Unauthenticated`, and `Unavailable` where the keys that could tell cannot be read. No message repeats
        anything of the token.
        """
        if not self._policy.algorithms:
            raise Unauthenticated("Bearer tokens are not accepted here")
        if len(token) > LONGEST_TOKEN:
            raise Unauthenticated(f"The token is longer than {LONGEST_TOKEN} letters")
        if not _COMPACT.fullmatch(token):
            raise Unauthenticated("The bearer token is not a JWT")
        header, claims = (_read(part) for part in token.split(".")[:2])
        if "crit" in header or "b64" in header:
            raise Unauthenticated("The token asks for an extension that is not known here")
        if not all(_is_time(claims[name]) for name in _TIMES if claims.get(name) is not None):
            raise Unauthenticated("The token's times are not valid")
        return _identity(self._checked(token, header))

    def _checked(self, token: str, header: dict[str, Any]) -> dict[str, Any]:
        """The token's claims, if one of the keys signed them and they hold here and now."""
        for key, algorithm in self._candidates(header):
            try:
                return jwt.decode(
                    token,
                    key,
                    algorithms=[algorithm],
                    audience=self._policy.audience,
                    issuer=self._policy.issuer,
                    leeway=LEEWAY_SECONDS,
                    options={"require": ["exp"], "verify_aud": self._policy.audience is not None},
                )
            except InvalidSignatureError:
                continue
            except MissingRequiredClaimError as missing:
                raise Unauthenticated(f"The token lacks the claim {missing.claim}") from None
            except PyJWTError as refused:
                why = next((message for kind, message in _WHY if isinstance(refused, kind)), _UNREADABLE)
                raise Unauthenticated(why) from None
        raise Unauthenticated(_UNTRUSTED)

    def _candidates(self, header: dict[str, Any]) -> Iterator[tuple[bytes | PyJWK, str]]:
        if self._policy.secrets:
            yield from ((secret, "HS256") for secret in self._policy.secrets)
            return
        key_id = header.get("kid")
        if not isinstance(key_id, str) or not 0 < len(key_id) <= _LONGEST_KEY_ID:
            raise Unauthenticated("The token does not say which key signed it")
        if (key := self._keys.find(key_id)) is not None:
            yield key, key.algorithm_name


class Members:
    """For whom a token's user may act, and what; `tick` is a monotonic clock in seconds.

    Memberships are remembered as long as API keys are.
    """

    def __init__(self, platform: Platform, policy: Policy, tick: Callable[[], float]) -> None:
        self._platform, self._policy = platform, policy
        self._memberships: Lookups[Membership] = Lookups(tick, policy.key_memory.total_seconds())

    def caller(self, identity: Identity, named: str | None, scope: str | None) -> Caller:
        """The user as a caller of one organization: the token's, or the one `named` where the token names none.

        The role is the token's where the organization is; else it is the membership's, whatever the token says.
        An empty name counts as none. Whether the organization exists is not asked. Raises, with the field
        `organizationId`, `InvalidInput` where nobody names an organization and `Forbidden` where it is not the user's;
        `Forbidden` also where the user's role lacks the scope.
        """
        organization = identity.organization_id
        if organization is not None and named and named != organization:
            raise Forbidden("The token is for another organization", field="organizationId")
        role: Role | None = identity.role
        if organization is None:
            if not named:
                raise InvalidInput("organizationId: is needed, as the token names none", field="organizationId")
            membership = self._membership(named, identity.user_id)
            if membership is None:
                raise Forbidden("You are not a member of that organization", field="organizationId")
            organization, role = named, membership.role
        elif role is None:
            membership = self._membership(organization, identity.user_id)
            role = membership.role if membership else self._policy.bearer_tokens.default_role
        assert role is not None
        caller = Caller(
            name=f"{USER_PREFIX}{identity.user_id}",
            organization_id=organization,
            scopes=ROLES[role],
            user_id=identity.user_id,
        )
        if scope is not None and not caller.may(scope):
            raise Forbidden(f"The role {role} lacks the scope {scope}")
        return caller

    def _membership(self, organization_id: str, user_id: str) -> Membership | None:
        name = membership_id(organization_id, user_id)
        return self._memberships.get(name, lambda: Found(self._read(name)))

    def _read(self, name: str) -> Membership | None:
        document = self._platform.documents.get(f"{self._policy.collections.memberships}/{name}")
        if document is None:
            return None
        try:
            return Membership.of(document)
        except ValidationError:
            log_failure("membership_unreadable", membershipId=name)
            return None


class _Claims(BaseModel):
    model_config = ConfigDict(strict=True, alias_generator=to_camel)

    user_id: Id
    organization_id: Id | None = None
    role: Role | None = None


def _identity(claims: dict[str, Any]) -> Identity:
    user = next((claims[name] for name in _USER_CLAIMS if claims.get(name) is not None), None)
    try:
        said = _Claims.model_validate({**claims, "userId": user})
    except ValidationError as invalid:
        claim = str(invalid.errors()[0]["loc"][0])
        raise Unauthenticated(f"The token's {_NAMES.get(claim, claim)} is not valid") from None
    return Identity(said.user_id, _email(claims.get("email")), said.organization_id, said.role)


def _email(claim: object) -> str | None:
    try:
        return _EMAIL.validate_python(claim, strict=True)
    except ValidationError:
        return None


def _is_time(value: object) -> bool:
    """Whether it is a number of seconds that some calendar knows: no text, no truth value, nothing endless."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LAST_SECOND


def _read(part: str) -> dict[str, Any]:
    """A JSON object in base64url, each name in it once. Raises `Unauthenticated`."""
    try:
        text = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True).decode()
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or _is_deep(found):
        raise Unauthenticated(_UNREADABLE)
    return found


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        inner = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level = [value for values in inner for value in values]
    return bool(level)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")
