"""Access tokens for downstream calls: concurrent callers share one request to the issuer; tokens are renewed early."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from urllib.parse import parse_qsl

import pytest
from pydantic import SecretStr

from app.downstreams.client_credentials import (
    AHEAD,
    MAX_SECONDS,
    RETRY_SECONDS,
    UNSAID_SECONDS,
    AuthorizedClient,
    ClientCredentials,
    authorize,
)
from app.downstreams.registry import Downstreams, open_downstreams
from app.errors import DownstreamUnavailable
from app.settings.downstreams import DownstreamsSettings
from app.settings.tokens import TokenSettings
from tests.http_client import httpx

SETTINGS = TokenSettings(client_id="notes", client_secret=SecretStr("a:b c"))
SECONDS = 100


class Issuer:
    """A fake issuer of numbered access tokens (`t1`, `t2`, ...), with a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.down = False
        self.content: str | None = None
        self.asked: list[dict[str, str]] = []
        self.refused: set[str] = set()
        self.calls: list[str] = []

    def transport(self, name: str) -> httpx.AsyncBaseTransport:
        """Return the HTTP transport of the issuer, or of a downstream that demands the issuer's tokens."""
        return httpx.MockTransport(self.give if name == "issuer" else self.answer)

    async def give(self, request: httpx.Request) -> httpx.Response:
        """Answer a request for an access token, after all other tasks have had a turn."""
        await asyncio.sleep(0.01)
        self.asked.append(dict(parse_qsl(request.content.decode())) | {"login": request.headers["authorization"]})
        if self.down:
            return httpx.Response(400, json={"error": "invalid_client"})
        if self.content is not None:
            return httpx.Response(200, content=self.content, headers={"content-type": "application/json"})
        return httpx.Response(200, json={"access_token": f"t{len(self.asked)}", "expires_in": SECONDS})

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer like a downstream that checks access tokens: 401 for a token that the test refuses, otherwise 200."""
        self.calls.append(request.headers["authorization"])
        return httpx.Response(401 if self.calls[-1] in self.refused else 200, json={})


@pytest.fixture
def issuer() -> Issuer:
    """A fake issuer of access tokens for downstream calls."""
    return Issuer()


@pytest.fixture
async def downstreams(issuer: Issuer) -> AsyncGenerator[Downstreams]:
    """The service's downstreams, which a fake issuer answers in memory, without a network."""
    async with open_downstreams(DownstreamsSettings(), issuer.transport) as opened:
        yield opened


@pytest.fixture
def credentials(issuer: Issuer, downstreams: Downstreams) -> ClientCredentials:
    """The OAuth client credentials by which the service gets access tokens for a downstream, the audience `ledger`."""
    return ClientCredentials(downstreams["issuer"], SETTINGS, {"audience": "ledger"}, clock=lambda: issuer.now)


async def tokens(credentials: ClientCredentials, count: int) -> Counter[str]:
    """Ask for a token `count` times concurrently, and count the results."""
    found = await asyncio.gather(*(credentials.headers() for _ in range(count)), return_exceptions=True)
    return Counter(
        type(one).__name__ if isinstance(one, BaseException) else one["Authorization"].removeprefix("Bearer ")
        for one in found
    )


async def test_three_hundred_cold_callers_are_one_call(issuer: Issuer, credentials: ClientCredentials) -> None:
    assert await tokens(credentials, 300) == {"t1": 300}
    form = {"grant_type": "client_credentials", "audience": "ledger"}
    assert issuer.asked == [form | {"login": "Basic bm90ZXM6YSUzQWIlMjBj"}]


async def test_the_next_token_is_had_ahead_and_nobody_waits(issuer: Issuer, credentials: ClientCredentials) -> None:
    await credentials.headers()
    issuer.now = SECONDS * AHEAD + 1
    during = await tokens(credentials, 50)
    await asyncio.sleep(0.05)

    assert during == {"t1": 50}
    assert await tokens(credentials, 50) == {"t2": 50}
    assert len(issuer.asked) == 2


async def test_an_issuer_that_is_down_costs_nothing_while_the_token_lives(
    issuer: Issuer, credentials: ClientCredentials
) -> None:
    await credentials.headers()
    issuer.down = True
    issuer.now = SECONDS - 1.0
    assert await tokens(credentials, 50) == {"t1": 50}
    await asyncio.sleep(0.05)

    issuer.now = SECONDS + 1.0
    assert await tokens(credentials, 50) == {"DownstreamRejected": 50}
    assert len(issuer.asked) == 3
    assert await tokens(credentials, 50) == {"DownstreamRejected": 50}
    assert len(issuer.asked) == 3
    issuer.now, issuer.down = issuer.now + RETRY_SECONDS, False
    assert await tokens(credentials, 50) == {"t4": 50}


async def test_a_caller_that_leaves_does_not_end_the_call_of_others(credentials: ClientCredentials) -> None:
    leader = asyncio.create_task(credentials.headers())
    await asyncio.sleep(0)
    follower = asyncio.create_task(credentials.headers())
    await asyncio.sleep(0)
    leader.cancel()

    assert await follower == {"Authorization": "Bearer t1"}
    assert credentials.calls == 1


async def test_a_refused_token_is_replaced_once(issuer: Issuer, downstreams: Downstreams) -> None:
    issuer.refused = {"Bearer t1"}
    downstream = downstreams["issuer"]
    credentials = ClientCredentials(downstream, SETTINGS, {}, clock=lambda: issuer.now)
    async with open_downstreams(DownstreamsSettings(), lambda _name: httpx.MockTransport(issuer.answer)) as called:
        target = called["issuer"]
        target.client = AuthorizedClient(target.client, credentials)
        issuer.now += RETRY_SECONDS
        await credentials.headers()
        issuer.now += RETRY_SECONDS
        assert await target.get_json("entries") == {}

    assert issuer.calls == ["Bearer t1", "Bearer t2"]


async def test_a_downstream_that_the_settings_name_gets_tokens(issuer: Issuer, downstreams: Downstreams) -> None:
    name = next((name for name in downstreams if name != "issuer"), None)
    if name is None:
        pytest.skip("this service calls its issuer only")
    authorize(downstreams, SETTINGS.model_copy(update={"downstream_tokens": {name: {"scope": "read"}}}))

    assert await downstreams[name].get_json("entries") == {}
    assert (issuer.calls, issuer.asked[0]["scope"]) == (["Bearer t1"], "read")


@pytest.mark.parametrize(
    ("more", "seconds"),
    [(', "expires_in": "3600"', 3600), (', "expires_in": 99999999', MAX_SECONDS), ("", UNSAID_SECONDS)],
)
async def test_a_lifetime_may_be_a_text_or_missing_and_is_a_day_at_most(
    issuer: Issuer, credentials: ClientCredentials, more: str, seconds: float
) -> None:
    issuer.content = '{"access_token": "aa"' + more + "}"
    assert await tokens(credentials, 1) == {"aa": 1}
    issuer.now += seconds - 0.5
    issuer.down = True
    assert await tokens(credentials, 1) == {"aa": 1}
    issuer.now += 1
    assert await tokens(credentials, 1) == {"DownstreamRejected": 1}


NO_LIFETIMES = ("1e999", "9" * 400, "NaN", "-1", "0", "null", "true", '"soon"', "[]")
NO_TOKENS = ('"a\\r\\nX: y"', '"\\u00e9"', '"a b"', '""', "7", "null")


@pytest.mark.parametrize(
    ("given", "lifetime"), [*(('"aa"', lifetime) for lifetime in NO_LIFETIMES), *((given, "60") for given in NO_TOKENS)]
)
async def test_an_answer_without_a_token_or_a_lifetime_is_refused(
    issuer: Issuer, credentials: ClientCredentials, given: str, lifetime: str
) -> None:
    issuer.content = '{"access_token": ' + given + ', "expires_in": ' + lifetime + "}"

    assert await tokens(credentials, 1) == {"DownstreamBadResponse": 1}


async def test_a_failed_token_is_an_error_of_the_issuer(issuer: Issuer, downstreams: Downstreams) -> None:
    issuer.down = True
    credentials = ClientCredentials(downstreams["issuer"], SETTINGS, {}, clock=lambda: issuer.now)

    for _ in range(3):
        with pytest.raises(Exception, match="issuer: it answered 400") as failure:
            await credentials.headers()
        assert not isinstance(failure.value, DownstreamUnavailable)
        assert len(failure.traceback) == 2  # no frames of earlier calls: each failure has a traceback of its own
