"""Access tokens assembled from bytes: tokens made by the JWT library under test would share the library's mistakes."""

import hmac
import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from functools import cached_property
from time import time
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ISSUER, AUDIENCE = "https://issuer.example", "our-api"
SHA256 = hashes.SHA256()

Json = dict[str, Any]


def base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int) -> str:
    return base64(value.to_bytes((value.bit_length() + 7) // 8))


def text(value: Json | bytes) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@dataclass(frozen=True)
class RsaKey:
    """An RSA key with its key id."""

    kid: str
    bits: int = 2048

    @cached_property
    def private(self) -> rsa.RSAPrivateKey:
        """Generate the RSA private key at the first use, as this is slow."""
        return rsa.generate_private_key(65537, self.bits)

    def sign(self, data: bytes) -> bytes:
        """Return the RS256 signature of the data, in the format of a JWT."""
        return self.private.sign(data, padding.PKCS1v15(), SHA256)

    def pss(self, data: bytes) -> bytes:
        """Return an RSA-PSS signature (PS256), which the service accepts only if AUTH__ALGORITHMS names PS256."""
        return self.private.sign(data, padding.PSS(padding.MGF1(SHA256), SHA256.digest_size), SHA256)

    @property
    def pem(self) -> bytes:
        """Return the public key in PEM format."""
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def public(self) -> Json:
        """Return the public key as a JWK."""
        numbers = self.private.public_key().public_numbers()
        known = {"kty": "RSA", "kid": self.kid, "alg": "RS256", "use": "sig"}
        return known | {"n": number(numbers.n), "e": number(numbers.e)}


@dataclass(frozen=True)
class CurveKey:
    """A key on the curve P-256 with its key id."""

    kid: str

    @cached_property
    def private(self) -> ec.EllipticCurvePrivateKey:
        """Generate the private key on the curve P-256 at the first use."""
        return ec.generate_private_key(ec.SECP256R1())

    def der(self, data: bytes) -> bytes:
        """Return the ECDSA signature of the data in DER format, which a JWT must not use."""
        return self.private.sign(data, ec.ECDSA(SHA256))

    def sign(self, data: bytes) -> bytes:
        """Return the ES256 signature of the data in the format of a JWT: two numbers of 32 bytes."""
        return b"".join(part.to_bytes(32) for part in decode_dss_signature(self.der(data)))

    @property
    def public(self) -> Json:
        """Return the public key as a JWK."""
        point = self.private.public_key().public_numbers()
        x, y = (base64(value.to_bytes(32)) for value in (point.x, point.y))
        return {"kty": "EC", "crv": "P-256", "kid": self.kid, "alg": "ES256", "use": "sig", "x": x, "y": y}


RSA, CURVE, STRANGER = RsaKey("rsa"), CurveKey("curve"), RsaKey("rsa")
SHORT, SEALING, LEAKED = RsaKey("short", 1024), RsaKey("sealing"), RsaKey("leaked")
SHARED = b"a secret that is shared by all services"

KEYS: list[Json] = [
    RSA.public,
    CURVE.public,
    SHORT.public,
    SEALING.public | {"use": "enc"},
    LEAKED.public | {"d": number(7)},
    {"kty": "oct", "kid": "shared", "alg": "HS256", "use": "sig", "k": base64(SHARED)},
    {"kty": "RSA", "kid": "broken", "alg": "RS256", "n": "!", "e": 7},
    CURVE.public | {"kid": "unsigned", "alg": "none"},
]
"""The keys (JWKs) that the fake issuer publishes: the service must accept the RSA key and the P-256 key at the start of
the list, and must not use any of the later keys."""


def header(**changes: Any) -> Json:  # noqa: ANN401 - Any stands for JSON values
    return without_none({"alg": "RS256", "typ": "at+jwt", "kid": "rsa"} | changes)


def claims(**changes: Any) -> Json:  # noqa: ANN401 - Any stands for JSON values
    now = int(time())
    whole = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "client_id": "shop", "scope": "notes:read"}
    return without_none(whole | {"iat": now, "exp": now + 600} | changes)


NULL = object()


def without_none(values: Json) -> Json:
    """Return a token's header or claims without the values that are None; the constant NULL becomes JSON's null."""
    return {name: None if value is NULL else value for name, value in values.items() if value is not None}


def unsigned(head: Json | bytes, body: Json | bytes) -> str:
    return f"{base64(text(head))}.{base64(text(body))}"


def token(head: Json | bytes | None = None, body: Json | bytes | None = None, signer: RsaKey | CurveKey = RSA) -> str:
    """Return a token with a valid signature; the header or the claims may be wrong, as the test needs."""
    data = unsigned(header() if head is None else head, claims() if body is None else body)
    return f"{data}.{base64(signer.sign(data.encode()))}"


def shared(secret: bytes, digest: str = "sha256", **changes: Any) -> str:  # noqa: ANN401 - Any stands for JSON values
    """Return a token signed with a shared secret (HMAC)."""
    data = unsigned(header(alg=f"HS{digest.removeprefix('sha')}", **changes), claims())
    return f"{data}.{base64(hmac.digest(secret, data.encode(), digest))}"
