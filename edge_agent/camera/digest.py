"""Digest authentication (RFC 2617): it shows that somebody knows a password, without the password."""

import hashlib
import re
import secrets
from collections.abc import Mapping

_PARAMETER = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))')


class NoDigest(Exception):
    """The challenge asks for something else."""


def challenge_in(header: str) -> Mapping[str, str]:
    """The parameters of a challenge, by their names in lower case. Raises NoDigest."""
    scheme, _, rest = header.strip().partition(" ")
    found = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(rest)}
    if scheme.lower() != "digest" or not {"realm", "nonce"} <= found.keys():
        raise NoDigest
    if found.get("algorithm", "MD5").upper() != "MD5":
        raise NoDigest
    return found


def authorization(challenge: Mapping[str, str], user: str, password: str, method: str, url: str) -> str:
    """The header that answers a challenge for this request."""
    realm, nonce = challenge["realm"], challenge["nonce"]
    who, what = _hash(f"{user}:{realm}:{password}"), _hash(f"{method}:{url}")
    fields = {"username": user, "realm": realm, "nonce": nonce, "uri": url}
    if "opaque" in challenge:
        fields["opaque"] = challenge["opaque"]
    text = ", ".join(f'{name}="{value}"' for name, value in fields.items())
    if "auth" in re.split(r"[\s,]+", challenge.get("qop", "")):
        own = secrets.token_hex(8)
        answer = _hash(f"{who}:{nonce}:00000001:{own}:auth:{what}")
        return f'Digest {text}, qop=auth, nc=00000001, cnonce="{own}", response="{answer}"'
    return f'Digest {text}, response="{_hash(f"{who}:{nonce}:{what}")}"'


def _hash(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
