"""How a Prusa printer recognises its clients: `X-Api-Key`, or Digest as its firmware has it (section G).

The Digest is MD5 without qop; a nonce holds 300 seconds, and is then answered with `stale=true`.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from urllib.request import parse_http_list, parse_keqv_list

USER = "maker"
REALM = "Printer API"
NONCE_SECONDS = 300.0


class Doorkeeper:
    """Checks the requests to one printer."""

    def __init__(self, password: str) -> None:
        self._password = password
        self._nonces: dict[str, float] = {}

    def admits(self, method: str, headers: Mapping[str, str]) -> bool:
        """Whether the request comes with the password, in either way."""
        key = headers.get("X-Api-Key")
        if key is not None:
            return hmac.compare_digest(key.encode(), self._password.encode())
        given = self._digest(headers)
        if given.get("username") != USER or not self._is_fresh(given.get("nonce", "")):
            return False
        secret = _md5(f"{USER}:{REALM}:{self._password}")
        asked = _md5(f"{method}:{given.get('uri', '')}")
        wanted = _md5(f"{secret}:{given.get('nonce', '')}:{asked}")
        return hmac.compare_digest(given.get("response", ""), wanted)

    def challenge(self, headers: Mapping[str, str]) -> str:
        """The `WWW-Authenticate` of a 401."""
        nonce = secrets.token_hex(8)
        self._nonces[nonce] = time.monotonic()
        old = self._digest(headers).get("nonce", "")
        stale = "true" if old in self._nonces and not self._is_fresh(old) else "false"
        return f'Digest realm="{REALM}", nonce="{nonce}", stale={stale}'

    def expire(self) -> None:
        """Let every nonce be older than it may be."""
        self._nonces = dict.fromkeys(self._nonces, float("-inf"))

    def _is_fresh(self, nonce: str) -> bool:
        return time.monotonic() - self._nonces.get(nonce, float("-inf")) < NONCE_SECONDS

    def _digest(self, headers: Mapping[str, str]) -> dict[str, str]:
        scheme, _, rest = headers.get("Authorization", "").partition(" ")
        try:
            return parse_keqv_list(parse_http_list(rest)) if scheme.lower() == "digest" else {}
        except ValueError:
            return {}


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
