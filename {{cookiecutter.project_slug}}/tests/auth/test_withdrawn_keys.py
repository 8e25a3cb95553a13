"""Tokens that are signed with a withdrawn key are refused; an issuer that hangs delays a request only for a moment."""

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from app.auth.keys import (
    COLD_SECONDS,
    COOL_DOWN_SECONDS,
    FRESH_SECONDS,
    MAX_KEYS,
    STALE_SECONDS,
    UNKNOWN_SECONDS,
    Keys,
    usable_keys,
)
from app.auth.tokens import Tokens
from app.errors import Unavailable
from app.settings.browsers import words
from app.settings.tokens import TokenSettings
from tests.auth.fake_issuer import HOUR, RULES, TIMED_OUT, Issuer, outcomes, warm
from tests.auth.forge import AUDIENCE, CURVE, ISSUER, RSA, Json, base64, claims, header, token, unsigned


@pytest.fixture
async def issuer() -> Issuer:
    """A fake issuer of access tokens whose signing keys the service has fetched once and keeps."""
    return await warm()


@pytest.mark.parametrize("left", [[], [7, {"kty": "oct", "kid": "rsa", "k": "AAAA"}]], ids=["none", "none usable"])
async def test_an_issuer_that_withdraws_all_keys_is_obeyed(issuer: Issuer, left: list[Json]) -> None:
    issuer.answer = {"keys": left}
    issuer.now = FRESH_SECONDS + 1
    await issuer.get("rsa")
    await issuer.settled()

    assert await outcomes(lambda: issuer.get("rsa"), 10) == {Unavailable: 10}
    issuer.answer = None
    issuer.now += COLD_SECONDS + 0.1
    assert await issuer.get("rsa")


@pytest.mark.parametrize("seconds", [FRESH_SECONDS + COOL_DOWN_SECONDS + 0.1, 20 * HOUR])
async def test_a_key_that_was_withdrawn_while_no_request_came_is_refused_at_once(
    issuer: Issuer, seconds: float
) -> None:
    issuer.published = [CURVE.public]
    issuer.now = seconds

    assert await outcomes(lambda: issuer.get("rsa"), 10) == {False: 10}
    assert issuer.keys.fetches == 2


async def test_after_a_time_without_requests_a_failed_fetch_leaves_the_keys(issuer: Issuer) -> None:
    issuer.failure = TIMED_OUT
    issuer.now = 20 * HOUR

    assert await outcomes(lambda: issuer.get("rsa"), 10) == {True: 10}
    assert issuer.keys.fetches == 2


async def test_an_unknown_key_id_is_503_while_the_issuer_does_not_say_whether_it_has_it(issuer: Issuer) -> None:
    issuer.failure = TIMED_OUT
    issuer.now += COOL_DOWN_SECONDS + 1

    assert await outcomes(lambda: issuer.get("new"), 10) == {Unavailable: 10}
    assert await outcomes(lambda: issuer.get("new"), 10) == {Unavailable: 10}  # still 503: no fetch again for 10 s
    assert await issuer.get("rsa")


async def test_made_up_key_ids_wait_briefly_for_an_issuer_that_hangs(issuer: Issuer) -> None:
    issuer.now += COOL_DOWN_SECONDS + 1
    goes_on = asyncio.Event()

    async def hang() -> object:
        await goes_on.wait()
        return {"keys": [RSA.public | {"kid": "new"}]}

    with pytest.raises(Unavailable):
        async with asyncio.timeout(20 * UNKNOWN_SECONDS):
            await issuer.keys.get(("new", "RS256"), hang)
    issuer.now += 2 * UNKNOWN_SECONDS
    late = issuer.keys.get(("new", "RS256"), hang)
    with pytest.raises(Unavailable):
        late.send(None)  # `send` raises at once, as the running fetch of keys has already taken too long
    goes_on.set()
    await issuer.settled()
    assert await issuer.get("new")


async def test_keys_of_different_algorithms_may_share_a_key_id() -> None:
    cold = Issuer(RSA.public, CURVE.public | {"kid": "rsa"})
    tokens = Tokens(RULES, ISSUER, cold.keys)

    assert (await tokens.principal(token(), cold.fetch)).subject == "ada"
    assert (await tokens.principal(token(header(alg="ES256"), signer=CURVE), cold.fetch)).subject == "ada"


@pytest.mark.parametrize("declared", [{}, {"alg": "ES256"}])
def test_a_key_on_the_curve_of_a_different_algorithm_is_left_out(declared: Json) -> None:
    numbers = ec.generate_private_key(ec.SECP384R1()).public_key().public_numbers()
    x, y = (base64(value.to_bytes(48)) for value in (numbers.x, numbers.y))
    entry = {"kty": "EC", "crv": "P-384", "kid": "curve", "x": x, "y": y} | declared

    assert list(usable_keys({"keys": [entry]}, ["ES256", "RS256"])) == []
    assert list(usable_keys({"keys": [entry | {"alg": "ES384"}]}, ["ES256", "ES384"])) == [("curve", "ES384")]


@pytest.mark.parametrize("accepted", ["PS256", "RS256,PS256"])
async def test_an_rsa_key_without_alg_is_for_each_accepted_algorithm_of_rsa(accepted: str) -> None:
    rules = TokenSettings(issuer=ISSUER, audience=AUDIENCE, algorithms=accepted)
    keys = Keys(words(accepted))
    published = {name: value for name, value in RSA.public.items() if name != "alg"}
    data = unsigned(header(alg="PS256"), claims())

    async def fetch() -> object:
        return {"keys": [{"kty": "oct"}] * MAX_KEYS + [published]}

    principal = await Tokens(rules, ISSUER, keys).principal(f"{data}.{base64(RSA.pss(data.encode()))}", fetch)
    assert principal.subject == "ada"


async def test_a_withdrawn_key_ends_the_tokens_that_it_has_checked(issuer: Issuer) -> None:
    tokens = Tokens(RULES, ISSUER, issuer.keys)
    by_rsa, by_curve = token(), token(header(alg="ES256", kid="curve"), signer=CURVE)
    for given in (by_rsa, by_curve):
        await tokens.principal(given, issuer.fetch)
    issuer.published = [CURVE.public]
    issuer.now = FRESH_SECONDS + 1
    await tokens.principal(by_curve, issuer.fetch)
    await issuer.get("curve")  # keys older than FRESH_SECONDS are fetched again in the background
    await issuer.settled()

    with pytest.raises(Exception, match="its key is not one of the issuer"):
        await tokens.principal(by_rsa, issuer.fetch)
    assert (await tokens.principal(by_curve, issuer.fetch)).subject == "ada"


async def test_a_withdrawn_key_ends_a_token_that_was_checked_just_before_the_keys_became_old(issuer: Issuer) -> None:
    tokens, given = Tokens(RULES, ISSUER, issuer.keys), token()
    issuer.now = FRESH_SECONDS - 1
    await tokens.principal(given, issuer.fetch)
    issuer.published = [CURVE.public]
    issuer.now = FRESH_SECONDS + COOL_DOWN_SECONDS + 0.1

    with pytest.raises(Exception, match="its key is not one of the issuer"):
        await tokens.principal(given, issuer.fetch)


async def test_a_checked_token_ends_with_the_keys_of_a_dead_issuer(issuer: Issuer) -> None:
    tokens, given = Tokens(RULES, ISSUER, issuer.keys), token()
    issuer.failure = TIMED_OUT
    issuer.now = FRESH_SECONDS + STALE_SECONDS - 1
    await tokens.principal(given, issuer.fetch)
    issuer.now += 2

    with pytest.raises(Unavailable):
        await tokens.principal(given, issuer.fetch)
