"""A fake issuer of access tokens for tests of its keys, with a clock that the test sets."""

import asyncio
from collections.abc import Awaitable, Callable

from app.auth.keys import Keys
from app.errors import DownstreamTimedOut
from app.settings.browsers import words
from app.settings.tokens import TokenSettings
from tests.auth.forge import AUDIENCE, ISSUER, KEYS, Json

RULES = TokenSettings(issuer=ISSUER, audience=AUDIENCE)
HOUR = 3600.0
TIMED_OUT = DownstreamTimedOut("issuer", "no answer.")


class Issuer:
    """A fake issuer of access tokens: a test sets the clock, the published signing keys, and whether a fetch fails."""

    def __init__(self, *keys: Json) -> None:
        self.published: list[Json] = list(keys)
        self.failure: Exception | None = None
        self.answer: object = None
        self.now = 0.0
        self.keys = Keys(words(RULES.algorithms), clock=lambda: self.now)

    async def fetch(self) -> object:
        """Return the issuer's signing keys, or raise the failure that the test has set, after other tasks have run."""
        await asyncio.sleep(0.01)
        if self.failure is not None:
            raise self.failure
        return self.answer if self.answer is not None else {"keys": self.published}

    async def get(self, kid: str) -> bool:
        """Tell whether the service knows a signing key with this id; the service may fetch the issuer's keys first."""
        return await self.keys.get((kid, "ES256" if kid == "curve" else "RS256"), self.fetch) is not None

    async def settled(self) -> None:
        """Wait until a background fetch of the issuer's keys has ended."""
        await asyncio.sleep(0.02)


async def warm() -> Issuer:
    """Return a fake issuer of access tokens whose signing keys the service has fetched once and keeps."""
    issuer = Issuer(*KEYS)
    await issuer.get("rsa")
    return issuer


async def outcomes(ask: Callable[[], Awaitable[bool]], count: int) -> dict[object, int]:
    """Ask for a key `count` times concurrently, and count the results."""
    found = await asyncio.gather(*(ask() for _ in range(count)), return_exceptions=True)
    named = [type(one) if isinstance(one, BaseException) else one for one in found]
    return {one: named.count(one) for one in set(named)}
