"""Signing keys are fetched once for many callers, rarely for made-up key ids, and used for a day without the issuer."""

import asyncio

import pytest

from app.auth.keys import (
    COLD_SECONDS,
    COOL_DOWN_SECONDS,
    FRESH_SECONDS,
    STALE_SECONDS,
)
from app.auth.tokens import KEPT, Tokens
from app.errors import Unavailable
from tests.auth.fake_issuer import HOUR, RULES, TIMED_OUT, Issuer, outcomes, warm
from tests.auth.forge import ISSUER, KEYS, RSA, claims, token


@pytest.fixture
async def issuer() -> Issuer:
    """A fake issuer of access tokens whose signing keys the service has fetched once and keeps."""
    return await warm()


async def test_five_hundred_cold_callers_are_one_fetch() -> None:
    cold = Issuer(*KEYS)

    assert await outcomes(lambda: cold.get("rsa"), 500) == {True: 500}
    assert cold.keys.fetches == 1


async def test_a_caller_that_leaves_does_not_end_the_fetch_of_others() -> None:
    cold = Issuer(*KEYS)
    leader = asyncio.create_task(cold.get("rsa"))
    await asyncio.sleep(0)
    follower = asyncio.create_task(cold.get("rsa"))
    await asyncio.sleep(0)
    leader.cancel()

    assert await follower
    assert cold.keys.fetches == 1


async def test_made_up_key_ids_are_one_fetch_in_ten_seconds(issuer: Issuer) -> None:
    for second in range(20):
        issuer.now = float(second)
        assert await outcomes(lambda: issuer.get("made-up"), 100) == {False: 100}

    assert issuer.keys.fetches == 2  # a fetch at the start, and in second 11: unknown key ids cause a fetch every 10 s
    assert await issuer.get("rsa")


async def test_a_new_key_is_found_at_once(issuer: Issuer) -> None:
    issuer.published = [RSA.public | {"kid": "new"}]
    issuer.now += COOL_DOWN_SECONDS + 1

    assert await outcomes(lambda: issuer.get("new"), 300) == {True: 300}
    assert issuer.keys.fetches == 2


@pytest.mark.parametrize(
    "answer", [TIMED_OUT, RuntimeError("a bug"), "<html>", [], {}, {"keys": {}}, {"keys": None}], ids=str
)
async def test_known_keys_outlive_a_dead_issuer_for_a_day(issuer: Issuer, answer: object) -> None:
    issuer.answer = answer
    issuer.failure = answer if isinstance(answer, Exception) else None

    for hour in range(1, 24):
        issuer.now = hour * HOUR
        assert await outcomes(lambda: issuer.get("rsa"), 20) == {True: 20}
        await issuer.settled()

    assert issuer.keys.fetches == 24  # a fetch of the keys at the start, and a background fetch in each of 23 hours


async def test_after_a_day_the_answer_is_503_and_not_401(issuer: Issuer) -> None:
    issuer.failure = TIMED_OUT
    issuer.now = FRESH_SECONDS + STALE_SECONDS + 1

    assert await outcomes(lambda: issuer.get("rsa"), 50) == {Unavailable: 50}
    assert issuer.keys.fetches == 2
    issuer.failure = None
    issuer.now += COLD_SECONDS + 0.1
    assert await issuer.get("rsa")


async def test_an_issuer_that_is_down_at_the_start_is_asked_once_a_second() -> None:
    cold = Issuer(*KEYS)
    cold.failure = TIMED_OUT
    for tenth in range(20):
        cold.now = tenth / 10
        assert await outcomes(lambda: cold.get("rsa"), 10) == {Unavailable: 10}

    assert cold.keys.fetches == 2


async def test_the_tokens_in_memory_are_few_and_end_in_time(issuer: Issuer) -> None:
    now = [claims()["iat"] + 0.0]
    tokens = Tokens(RULES, ISSUER, issuer.keys, clock=lambda: now[0])
    short = token(body=claims(exp=int(now[0]) + 20))
    await tokens.principal(short, issuer.fetch)
    kept = list(vars(tokens)["_kept"].values())
    for number in range(KEPT + 10):
        await tokens.principal(token(body=claims(sub=f"s{number}")), issuer.fetch)

    assert kept[0].until == int(now[0]) + 20
    assert len(vars(tokens)["_kept"]) == KEPT
