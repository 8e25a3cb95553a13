"""Checks of access tokens refuse every forged or odd token, and each check refuses a token that no other check does."""

from time import time
from typing import Any

import pytest
from fastapi import HTTPException

from app.auth.checks import ALL, BEFORE, CLAIMS, HEADER, OPTIONS, Checks
from app.auth.keys import COOL_DOWN_SECONDS, Keys
from app.auth.tokens import Tokens
from app.settings.browsers import words
from app.settings.tokens import TokenSettings
from tests.auth import rows
from tests.auth.forge import AUDIENCE, CURVE, ISSUER, KEYS, claims, header, token


def accepted() -> dict[str, str]:
    """Return the tokens that must be accepted, by name."""
    now = int(time())
    return {
        "RS256": token(),
        "ES256": token(header(alg="ES256", kid="curve"), signer=CURVE),
        "typ as a media type": token(header(typ="application/at+jwt")),
        "typ in capitals": token(header(typ="AT+JWT")),
        "a list of audiences": token(body=claims(aud=["billing-api", AUDIENCE])),
        "scopes as a list": token(body=claims(scope=["notes:read", "notes:write"])),
        "no scope": token(body=claims(scope=None)),
        "no client": token(body=claims(client_id=None)),
        "times with fractions": token(body=claims(iat=now - 0.5, exp=now + 60.5)),
        "expired within the leeway": token(body=claims(iat=now - 3600, exp=now - 10)),
        "issued within the leeway": token(body=claims(iat=now + 10)),
        "not before a moment ago": token(body=claims(nbf=now - 5)),
        "a certificate in the header": token(header(x5c=["MIIB"], x5t="x")),
        "claims that nobody knows here": token(body=claims(groups=["a"], **{"https://example.com/role": "admin"})),
    }


RULES = TokenSettings(issuer=ISSUER, audience=AUDIENCE)
REFUSED, ACCEPTED = list(rows.refused()), list(accepted())
FETCHES = {
    *("ES256 with the key id of an RSA key", "RS256 with the key id of a curve"),
    *("kid 'unknown'", "kid '../../rsa'", "kid 'https://evil.example/keys'"),
    *("jwk in the header", "jku in the header", "x5u in the header"),
    *(
        "a key that is too short",
        "a key for encryption",
        "a key whose private part is published",
        "a key that is broken",
        "a key of the algorithm none",
    ),
}
"""The refused tokens whose key id is unknown, or unknown for their algorithm. The key may be new, so each token makes
the service fetch the issuer's keys once."""


async def fetch() -> object:
    return {"keys": KEYS}


async def judged(given: str, checks: Checks = ALL, rules: TokenSettings = RULES) -> tuple[object, int]:
    """Return the principal of an accepted token or the HTTP status of the refusal, and the number of key fetches."""
    clock = [0.0]
    keys = Keys(words(rules.algorithms), clock=lambda: clock[0])
    await keys.get(("rsa", "RS256"), fetch)
    clock[0] += COOL_DOWN_SECONDS + 1
    try:
        judgement: object = await Tokens(rules, ISSUER, keys, checks=checks).principal(given, fetch)
    except HTTPException as refusal:
        judgement = refusal.status_code
    except Exception as error:  # noqa: BLE001 - without a check, any error may occur
        judgement = error
    return judgement, keys.fetches - 1


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """The tokens, made just before the tests because they expire after ten minutes."""
    return rows.refused() | accepted()


def test_there_are_eighty_tokens_at_least(made: dict[str, str]) -> None:
    assert len({made[name] for name in REFUSED}) >= 80


@pytest.mark.parametrize("name", REFUSED)
async def test_a_token_that_is_not_in_order_is_401(made: dict[str, str], name: str) -> None:
    assert await judged(made[name]) == (401, int(name in FETCHES))


@pytest.mark.parametrize("name", ACCEPTED)
async def test_a_token_that_is_in_order_is_accepted(made: dict[str, str], name: str) -> None:
    principal, fetches = await judged(made[name])

    assert getattr(principal, "subject", principal) == "ada"
    assert fetches == 0


async def test_the_principal_has_what_the_token_says() -> None:
    principal, _ = await judged(token(body=claims(scope="notes:read notes:write", exp=claims()["exp"])))

    assert (getattr(principal, "client", None), getattr(principal, "owner", None)) == ("shop", "ada")
    assert getattr(principal, "scopes", None) == {"notes:read", "notes:write"}


def without(stage: str, check: str) -> Checks:
    """Return all checks of access tokens except for the named check, to test whether that check is needed."""
    required = [name for name in OPTIONS["require"] if name != check]
    changed: dict[str, Any] = {
        "before": {name: BEFORE[name] for name in BEFORE if name != check},
        "header": {name: HEADER[name] for name in HEADER if name != check},
        "options": {**OPTIONS, "require": required} | ({} if check in OPTIONS["require"] else {check: False}),
        "claims": {name: CLAIMS[name] for name in CLAIMS if name != check},
    }
    return Checks(**{stage: changed[stage]})


TAKEN_OUT = [
    *(("before", check) for check in BEFORE),
    *(("header", check) for check in HEADER),
    *(("options", check) for check in OPTIONS["require"]),
    *(("options", f"verify_{check}") for check in ("exp", "nbf", "iat", "aud", "iss")),
    *(("claims", check) for check in CLAIMS),
]


@pytest.mark.parametrize(("stage", "check"), TAKEN_OUT)
async def test_each_check_is_the_only_one_that_refuses_some_token(made: dict[str, str], stage: str, check: str) -> None:
    checks = without(stage, check)

    missed = [name for name in REFUSED if await judged(made[name], checks) != (401, int(name in FETCHES))]

    assert missed


async def test_what_an_issuer_without_at_jwt_needs_is_a_setting() -> None:
    rules = TokenSettings(types="at+jwt,JWT", scope_claim="scp", client_claim="azp", algorithms="ES256")
    rules = rules.model_copy(update={"audience": AUDIENCE})
    body = claims(scp=["notes:read"], azp="mobile", scope=None, client_id=None)

    principal, _ = await judged(token(header(typ="JWT", alg="ES256", kid="curve"), body, CURVE), rules=rules)
    by_rsa, _ = await judged(token(header(typ="JWT"), body), rules=rules)

    assert (getattr(principal, "client", None), getattr(principal, "scopes", None)) == ("mobile", {"notes:read"})
    assert by_rsa == 401
