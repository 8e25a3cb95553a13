"""Access tokens that the service must refuse, by class of mistake; each call makes them anew, as tokens expire."""

import json
from collections.abc import Iterator
from time import time
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.auth.forge import (
    AUDIENCE,
    CURVE,
    ISSUER,
    LEAKED,
    NULL,
    RSA,
    SEALING,
    SHARED,
    SHORT,
    STRANGER,
    RsaKey,
    base64,
    claims,
    header,
    shared,
    text,
    token,
    unsigned,
)

HOUR = 3600
Rows = Iterator[tuple[str, str]]


def refused() -> dict[str, str]:
    """Return the tokens that the service must refuse, by name."""
    groups = (unsigned_tokens, shared_secrets, foreign_keys, foreign_addresses, times, key_ids, headers)
    return {name: made for group in (*groups, sizes, signatures, other_tokens, odd_claims) for name, made in group()}


def each(*values: Any) -> tuple[Any, ...]:  # noqa: ANN401 - Any stands for JSON values
    """Return JSON values of different types as a tuple of `Any`, which a test loops over."""
    return values


def unsigned_tokens() -> Rows:
    for algorithm in ("none", "None", "NONE", "nOnE"):
        yield f"alg {algorithm}", f"{unsigned(header(alg=algorithm), claims())}."
        yield f"alg {algorithm} with a signature", token(header(alg=algorithm))
    yield "a signature that was cut off", token().rpartition(".")[0] + "."
    yield "two parts", token().rpartition(".")[0]
    yield "alg none, key id empty", token(header(alg="none", kid=""))
    yield "no alg", token(header(alg=None))
    yield "alg as a list", token(header(alg=["RS256"]))
    yield "alg null", token(header(alg=NULL))


def shared_secrets() -> Rows:
    der = RSA.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    yield "HS256 with the public key as PEM", shared(RSA.pem)
    yield "HS256 with the public key as PEM, stripped", shared(RSA.pem.strip())
    yield "HS384 with the public key as PEM", shared(RSA.pem, "sha384")
    yield "HS512 with the public key as PEM", shared(RSA.pem, "sha512")
    yield "HS256 with the public key as DER", shared(der)
    yield "HS256 with the public key as JWK", shared(json.dumps(RSA.public).encode())
    yield "HS256 with an empty secret", shared(b"")
    yield "HS256 with a key that the issuer publishes", shared(SHARED, kid="shared")


def foreign_keys() -> Rows:
    yield "a stranger's key under the issuer's key id", token(signer=STRANGER)
    yield "ES256 with the key id of an RSA key", token(header(alg="ES256"), signer=CURVE)
    yield "RS256 with the key id of a curve", token(header(kid="curve"))
    yield "RS384 declared", token(header(alg="RS384"))
    yield "EdDSA declared", token(header(alg="EdDSA"))
    yield "ES256K declared", token(header(alg="ES256K", kid="curve"), signer=CURVE)
    data = unsigned(header(alg="PS256"), claims())
    yield "PS256 by the RSA key", f"{data}.{base64(RSA.pss(data.encode()))}"
    yield "a key that is too short", token(header(kid="short"), signer=SHORT)
    yield "a key for encryption", token(header(kid="sealing"), signer=SEALING)
    yield "a key whose private part is published", token(header(kid="leaked"), signer=LEAKED)
    yield "a key that is broken", token(header(kid="broken"))
    yield "a key of the algorithm none", token(header(alg="ES256", kid="unsigned"), signer=CURVE)
    yield "claims of a different token", f"{unsigned(header(), claims(sub='eve'))}.{token().rpartition('.')[2]}"


def foreign_addresses() -> Rows:
    for value in each(
        "billing-api",
        AUDIENCE + "-2",
        AUDIENCE[:-1],
        AUDIENCE.upper(),
        ["billing-api"],
        [],
        "",
        [AUDIENCE, 7],
    ):
        yield f"aud {value!r}", token(body=claims(aud=value))
    for value in each(ISSUER + "/", ISSUER + ".evil.example", ISSUER.upper(), [ISSUER], "", 7):
        yield f"iss {value!r}", token(body=claims(iss=value))
    for name in ("aud", "iss", "exp", "iat", "sub"):
        yield f"no {name}", token(body=claims(**{name: None}))
        yield f"{name} null", token(body=claims(**{name: NULL}))


def times() -> Rows:
    now = int(time())
    yield "expired an hour ago", token(body=claims(iat=now - 2 * HOUR, exp=now - HOUR))
    yield "expired beyond the leeway", token(body=claims(iat=now - HOUR, exp=now - 40))
    yield "for two days", token(body=claims(exp=now + 48 * HOUR))
    yield "issued in 1970", token(body=claims(iat=0))
    yield "issued in an hour", token(body=claims(iat=now + HOUR, exp=now + 2 * HOUR))
    yield "not before an hour has passed", token(body=claims(nbf=now + HOUR))
    for name in ("exp", "iat", "nbf"):
        for value in each(str(now), True, [now], {}):
            yield f"{name} {type(value).__name__}", token(body=claims(**{name: value}))
        for value in each(float("inf"), float("nan"), float("-inf")):
            yield f"{name} {value}", token(body=claims(**{name: value}))
        yield f"{name} with 400 digits", token(body=claims(**{name: 10**400}))
    yield "exp 1e999", token(body=text(claims(exp=now + 600)).replace(str(now + 600).encode(), b"1e999"))


def key_ids() -> Rows:
    odd: tuple[Any, ...] = ("unknown", "", 7, ["rsa"], {"rsa": 1}, "../../rsa", "rsa\0", "rsa\n", " rsa", "r" * 300)
    for value in each(*odd, "https://evil.example/keys", "rsa'; DROP TABLE notes --", NULL, None, True):
        yield f"kid {'null' if value is NULL else str(value)[:30]!r}", token(header(kid=value))


def headers() -> Rows:
    own = RsaKey("own")
    for name, value in each(
        ("jwk", own.public), ("jku", "https://evil.example/keys"), ("x5u", "https://evil.example/x")
    ):
        yield f"{name} in the header", token(header(kid="own", **{name: value}), signer=own)
        yield f"{name} in the header beside the issuer's key id", token(header(**{name: value}), signer=own)
    for value in each(["b64"], [], ["exp"], "exp", ["unknown"]):
        yield f"crit {value!r}", token(header(crit=value))
    yield "b64 false with crit", token(header(crit=["b64"], b64=False))
    yield "b64 false without crit", token(header(b64=False))
    for value in each("JWT", "id_token", "logout+jwt", "dpop+jwt", "", 7, ["at+jwt"], None):
        yield f"typ {value!r}", token(header(typ=value))
    yield "a header that is a list", token(b'["RS256"]')
    yield "a header that is no JSON", token(b"RS256")
    yield "a header that is no UTF-8", token(b'{"alg":"RS256","kid":"\xff"}')
    yield "a header that is a number of 5,000 digits", token(b"9" * 5000)


def sizes() -> Rows:
    yield "9,000 characters with a true signature", token(body=claims(groups="x" * 6000))
    yield "a megabyte", "a" * 350_000 + "." + "b" * 350_000 + "." + "c" * 350_000
    yield "a number of 5,000 digits", token(body=text(claims())[:-1] + b',"n":' + b"9" * 5000 + b"}")
    yield "2,500 nested lists", token(body=text(claims())[:-1] + b',"n":' + b"[" * 2500 + b"]" * 2500 + b"}")
    yield "claims that are no UTF-8", token(body=text(claims())[:-1] + b',"n":"\xff"}')
    yield "claims that are no JSON", token(body=b"sub=ada")
    yield "claims that are a list", token(body=b"[]")
    yield "claims that are a text", token(body=b'"ada"')
    yield "no claims", token(body=b"{}")
    yield "an empty token", ""
    yield "dots", ".."
    yield "a word", "secret"


def signatures() -> Rows:
    data, _, signature = token().rpartition(".")
    raw = token(header(alg="ES256", kid="curve"), signer=CURVE)
    yield "a padded signature", f"{data}.{signature}=="
    yield "a signature in other letters", f"{data}.{signature[:-2]}+/"
    yield "a signature with other last bits", f"{data}.{signature[:-1]}{other_end(signature[-1])}"
    yield "a signature with a space", f"{data}.{signature[:9]} {signature[9:]}"
    yield "a token with a line break", token().replace(".", ".\n", 1)
    yield "four parts", f"{token()}.{signature}"
    yield "a signature that is too short", f"{data}.{signature[:-4]}"
    yield "zeros for a curve", f"{raw.rpartition('.')[0]}.{base64(bytes(64))}"
    body = unsigned(header(alg="ES256", kid="curve"), claims())
    yield "a signature of a curve as DER", f"{body}.{base64(CURVE.der(body.encode()))}"
    yield "padded claims", token().replace(".", "=.", 1)


def other_end(letter: str) -> str:
    """Return the base64 letter that differs in the last bit, which a decoder may ignore at the end of a signature."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return letters[letters.index(letter) ^ 1]


def other_tokens() -> Rows:
    yield "an ID token", token(body=claims(nonce="n-0S6"))
    yield "an ID token of a hybrid flow", token(body=claims(at_hash="x"))
    yield "an ID token with a hash of the code", token(body=claims(c_hash="x"))
    yield "a logout token", token(body=claims(events={"http://schemas.openid.net/event/backchannel-logout": {}}))


def odd_claims() -> Rows:
    for value in each("", 7, [], "a\0b", "a b", "x" * 300, True):
        yield f"sub {str(value)[:20]!r}", token(body=claims(sub=value))
    for value in each(7, {"notes:read": True}, [["notes:read"]], [7], True):
        yield f"scope {value!r}", token(body=claims(scope=value))
    for value in each(7, [], {}, ""):
        yield f"client_id {value!r}", token(body=claims(client_id=value))
