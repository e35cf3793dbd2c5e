"""Bearer tokens, good ones and every kind of bad one, made by hand: a library would refuse to make most of them."""

import base64
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hmac import HMAC

AUDIENCE = "demo-project"
ISSUER = "https://securetoken.google.com/demo-project"
SECRET = "the first secret of the test is long enough"
FOREIGN_SECRET = "the secret of somebody else is just as long"

Signer = Callable[[bytes], bytes]


def now() -> int:
    """Seconds since 1970."""
    return int(time.time())


def encoded(content: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def text(value: Mapping[str, Any] | bytes) -> bytes:
    """Compact JSON, or what is given as bytes."""
    return value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()


def claims(**changed: Any) -> dict[str, Any]:
    """What a good token says, with changes; None leaves a claim out."""
    usual = {"sub": "user-1", "organizationId": "org-1", "role": "operator", "exp": now() + 36_000}
    told = {**usual, "aud": AUDIENCE, "iss": ISSUER, "iat": now(), **changed}
    return {name: value for name, value in told.items() if value is not None}


def token(header: Mapping[str, Any] | bytes, said: Mapping[str, Any] | bytes, sign: Signer) -> str:
    """A signed token of exactly this header and these claims."""
    signed = f"{encoded(text(header))}.{encoded(text(said))}"
    return f"{signed}.{encoded(sign(signed.encode()))}"


def hs256(secret: str | bytes) -> Signer:
    """Signs with a secret."""

    def sign(message: bytes) -> bytes:
        mac = HMAC(secret.encode() if isinstance(secret, str) else secret, hashes.SHA256())
        mac.update(message)
        return mac.finalize()

    return sign


def rs256(key: rsa.RSAPrivateKey) -> Signer:
    """Signs with an RSA key."""
    return lambda message: key.sign(message, padding.PKCS1v15(), hashes.SHA256())


def es256(key: ec.EllipticCurvePrivateKey) -> Signer:
    """Signs with a key on P-256."""

    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return sign


def number(value: int) -> str:
    """A number as key sets write it."""
    return encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def rsa_jwk(key_id: str, key: rsa.RSAPrivateKey, **more: Any) -> dict[str, Any]:
    """The public half as a key set shows it."""
    public = key.public_key().public_numbers()
    return {"kty": "RSA", "kid": key_id, "n": number(public.n), "e": number(public.e), **more}


def ec_jwk(key_id: str, key: ec.EllipticCurvePrivateKey, **more: Any) -> dict[str, Any]:
    """The public half as a key set shows it."""
    point = key.public_key().public_numbers()
    size = (key.curve.key_size + 7) // 8
    place = {"x": encoded(point.x.to_bytes(size, "big")), "y": encoded(point.y.to_bytes(size, "big"))}
    return {"kty": "EC", "kid": key_id, "crv": "P-256", **place, **more}


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    """The public half as PEM."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form)


def good(secret: str = SECRET, **changed: Any) -> str:
    """A token that is good where `secret` is."""
    return token({"alg": "HS256", "typ": "JWT"}, claims(**changed), hs256(secret))


def malformed(header: Mapping[str, Any], sign: Signer) -> dict[str, str]:
    """Tokens that no reader should take, with the header and the signature of one that is good."""
    whole = token(header, claims(), sign)
    head, body, signature = whole.split(".")

    def saying(**changed: Any) -> str:
        return token(header, claims(**changed), sign)

    def raw(body: bytes) -> str:
        return token(header, body, sign)

    def writing(name: str, value: bytes) -> str:
        return raw(text(claims(**{name: None}))[:-1] + b',"%s":%s}' % (name.encode(), value))

    def headed(**more: Any) -> str:
        return token({**header, **more}, claims(), sign)

    exp = now() + 36_000
    return {
        "empty": "",
        "blank": " ",
        "a word": "token",
        "one segment": head,
        "two segments": f"{head}.{body}",
        "four segments": f"{whole}.{signature}",
        "dots alone": "..",
        "empty header": f".{body}.{signature}",
        "empty payload, as of a detached one": f"{head}..{signature}",
        "empty signature": f"{head}.{body}.",
        "leading space": f" {whole}",
        "trailing newline": f"{whole}\n",
        "newline within": f"{head}.\n{body}.{signature}",
        "padded": f"{head}.{body}.{signature}=",
        "not base64": f"{head}.{body[:-1]}!.{signature}",
        "not ASCII": f"{head}.{body}é.{signature}",
        "a lone surrogate": f"{head}.{body}\ud800.{signature}",
        "a null byte": f"{head}\0.{body}.{signature}",
        "base64 of an impossible length": f"{head}.{body}.{signature[: len(signature) // 4 * 4 + 1]}",
        "truncated signature": f"{head}.{body}.{signature[:-4]}",
        "payload not UTF-8": raw(b'{"sub":"\xff\xfe"}'),
        "header not UTF-8": token(b'{"alg":"\xff"}', claims(), sign),
        "header a list": token(b'["HS256"]', claims(), sign),
        "payload a list": raw(b'["sub"]'),
        "payload a text": raw(b'"sub"'),
        "payload null": raw(b"null"),
        "payload empty JSON": raw(b"{}"),
        "payload not JSON": raw(b"sub=user-1"),
        "deep payload": writing("a", b'{"a":' * 25 + b"1" + b"}" * 25),
        "deep list": writing("a", b"[" * 2000 + b"]" * 2000),
        "deep header": token(b"[" * 3000, claims(), sign),
        "claim twice": raw(text(claims())[:-1] + b',"organizationId":"org-2"}'),
        "alg twice": token(text(header)[:-1] + b',"alg":"none"}', claims(), sign),
        "tampered payload": f"{head}.{encoded(text(claims(role='admin')))}.{signature}",
        "tampered header": f"{encoded(text({**header, 'typ': 'at+jwt'}))}.{body}.{signature}",
        "signature of another token": f"{head}.{body}.{good(sub='user-2').split('.')[2]}",
        "no algorithm": token({"typ": "JWT", "kid": header.get("kid")}, claims(), sign),
        "algorithm none": headed(alg="none"),
        "algorithm None, unsigned": f"{encoded(text({**header, 'alg': 'None'}))}.{body}.",
        "algorithm nOnE": headed(alg="nOnE"),
        "algorithm NONE": headed(alg="NONE"),
        "algorithm a list": headed(alg=["HS256", "none"]),
        "algorithm a number": headed(alg=256),
        "algorithm HS512": headed(alg="HS512"),
        "algorithm PS256": headed(alg="PS256"),
        "critical extension": headed(crit=["exp"], exp=exp),
        "critical nothing": headed(crit=[]),
        "unencoded payload": headed(b64=False),
        "unencoded payload, critical": headed(b64=False, crit=["b64"]),
        "huge": saying(padding="x" * 9000),
        "just too long": whole + "A" * (8193 - len(whole)),
        "expired": saying(exp=now() - 31),
        "expired long ago": saying(exp=0),
        "no expiry": saying(exp=None),
        "expiry null": writing("exp", b"null"),
        "expiry a text": saying(exp=str(exp)),
        "expiry a word": saying(exp="never"),
        "expiry true": saying(exp=True),
        "expiry a list": saying(exp=[exp]),
        "expiry NaN": writing("exp", b"NaN"),
        "expiry Infinity": writing("exp", b"Infinity"),
        "expiry 1e400": writing("exp", b"1e400"),
        "expiry beyond the calendar": saying(exp=10**30),
        "expiry of 5000 digits": writing("exp", b"1" + b"0" * 4500),
        "negative expiry": saying(exp=-exp),
        "not valid yet": saying(nbf=now() + 3600),
        "valid from a text": saying(nbf="now"),
        "valid from 1e400": writing("nbf", b"1e400"),
        "issued in the future": saying(iat=now() + 3600),
        "issued never": writing("iat", b"NaN"),
        "no user": saying(sub=None),
        "empty user": saying(sub=""),
        "user a number": saying(sub=7),
        "user a list": saying(sub=["user-1"]),
        "user with a slash": saying(sub="../organizations/org-2"),
        "user with a newline": saying(sub="user-1\n"),
        "user of 129 letters": saying(sub="u" * 129),
        "user a lone surrogate": writing("sub", b'"\\ud800"'),
        "reserved user": saying(sub="__all__"),
        "userId empty beside a good sub": saying(userId=""),
        "organization a list": saying(organizationId=["org-1", "org-2"]),
        "organization a number": saying(organizationId=1),
        "organization true": saying(organizationId=True),
        "organization empty": saying(organizationId=""),
        "organization with a slash": saying(organizationId="org-1/../org-2"),
        "organization any": saying(organizationId="*"),
        "unknown role": saying(role="root"),
        "role in capitals": saying(role="ADMIN"),
        "role a list": saying(role=["admin"]),
        "role a number": saying(role=1e308),
    }


def for_others(header: Mapping[str, Any], sign: Signer) -> dict[str, str]:
    """Tokens of a trusted key for another audience or from another issuer."""

    def saying(**changed: Any) -> str:
        return token(header, claims(**changed), sign)

    return {
        "other audience": saying(aud="other-project"),
        "audiences without ours": saying(aud=["other-project", "demo-project-2"]),
        "audience a number among others": saying(aud=[AUDIENCE, 7]),
        "audience an object": saying(aud={AUDIENCE: True}),
        "no audience": saying(aud=None),
        "empty audience": saying(aud=""),
        "no audiences": saying(aud=[]),
        "other issuer": saying(iss="https://securetoken.google.com/other-project"),
        "issuer with ours in front": saying(iss=f"{ISSUER}.example.org"),
        "issuer a list": saying(iss=[ISSUER]),
        "no issuer": saying(iss=None),
    }


def against_a_secret(stranger: rsa.RSAPrivateKey, curve: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """Tokens that try to be signed with anything but the secret."""
    plain = {"alg": "HS256", "typ": "JWT"}

    def foreign(**header: Any) -> str:
        return token({**plain, **header}, claims(), hs256(FOREIGN_SECRET))

    symmetric = {"kty": "oct", "k": encoded(FOREIGN_SECRET.encode()), "kid": "mine"}
    return {
        "other secret": foreign(),
        "empty secret": token(plain, claims(), hs256(b"")),
        "embedded secret": foreign(jwk=symmetric, kid="mine"),
        "key set elsewhere": foreign(jku="http://127.0.0.1:9/keys", kid="mine"),
        "certificate elsewhere": foreign(x5u="http://127.0.0.1:9/certificate"),
        "certificate in the header": foreign(x5c=["MIIB"]),
        "key id up the tree": foreign(kid="../../../../dev/null"),
        "key id with SQL": foreign(kid="x' UNION SELECT 'mine"),
        "RS256": token({"alg": "RS256", "typ": "JWT"}, claims(), rs256(stranger)),
        "RS256 with its key": token({"alg": "RS256", "jwk": rsa_jwk("mine", stranger)}, claims(), rs256(stranger)),
        "ES256": token({"alg": "ES256", "typ": "JWT"}, claims(), es256(curve)),
        "RS256 by name, HS256 in truth": token({"alg": "RS256"}, claims(), hs256(SECRET)),
    }


def against_a_key_set(
    trusted: rsa.RSAPrivateKey, key_id: str, weak: rsa.RSAPrivateKey, stranger: rsa.RSAPrivateKey
) -> dict[str, str]:
    """Tokens that try to be signed with anything but the private half of a key of the set."""
    jwk = rsa_jwk(key_id, trusted)

    def foreign(**header: Any) -> str:
        return token({"alg": "RS256", "kid": key_id, **header}, claims(), rs256(stranger))

    def confused(secret: bytes, alg: str = "HS256", kid: str = key_id) -> str:
        return token({"alg": alg, "kid": kid}, claims(), hs256(secret))

    return {
        "other key under a known id": foreign(),
        "HS256 with the public key as PEM": confused(public_pem(trusted)),
        "HS256 with the public key as JWK": confused(text(jwk)),
        "HS256 with the modulus": confused(jwk["n"].encode()),
        "RS256 by name, HS256 in truth": confused(public_pem(trusted), "RS256"),
        "HS256 with a symmetric key of the set": confused(SECRET.encode(), kid="symmetric"),
        "HS256 with a secret": good(),
        "HS256 with a secret under a known id": confused(SECRET.encode()),
        "embedded key": foreign(jwk=rsa_jwk("mine", stranger), kid="mine"),
        "embedded key under a known id": foreign(jwk=rsa_jwk(key_id, stranger)),
        "key set elsewhere": foreign(jku="http://127.0.0.1:9/keys", kid="mine"),
        "certificate elsewhere": foreign(x5u="http://127.0.0.1:9/certificate"),
        "certificate in the header": foreign(x5c=["MIIB"], x5t="abc"),
        "no key id": token({"alg": "RS256"}, claims(), rs256(trusted)),
        "key id a number": foreign(kid=1),
        "key id empty": foreign(kid=""),
        "key id a list": foreign(kid=[key_id]),
        "key id of 300 letters": foreign(kid="k" * 300),
        "key id unknown": token({"alg": "RS256", "kid": "nobody"}, claims(), rs256(trusted)),
        "key id up the tree": foreign(kid="../../../../dev/null"),
        "key id a lone surrogate": token(b'{"alg":"RS256","kid":"\\ud800"}', claims(), rs256(stranger)),
        "weak key of the set": token({"alg": "RS256", "kid": "weak"}, claims(), rs256(weak)),
        "private key that the set shows": token({"alg": "RS256", "kid": "shown"}, claims(), rs256(stranger)),
        "key for encryption": token({"alg": "RS256", "kid": "encryption"}, claims(), rs256(stranger)),
        "key for another algorithm": token({"alg": "RS256", "kid": "rs512"}, claims(), rs256(stranger)),
        "ES256 under the id of an RSA key": foreign(alg="ES256"),
    }
