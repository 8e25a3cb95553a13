"""The public keys of the issuer: fetched from a JWKS address, cached in memory, refreshed in the background.

PyJWT's `PyJWKClient` is not used: it blocks the event loop while it fetches, and fails every request once its keys have
expired and the issuer is down. This module then uses the cached keys for a day.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from time import monotonic
from typing import Any

import structlog
from jwt import PyJWK, PyJWTError

from app.errors import DownstreamBadResponse, ServiceError, Unavailable
from app.limits.best_effort import responsive_timeout
from app.request.detached import detached

FRESH_SECONDS = 300.0
"""How long, in seconds, the cached public keys of the token issuer are used before the next fetch. While the issuer
answers, a key that it has withdrawn is accepted for at most FRESH_SECONDS + COOL_DOWN_SECONDS."""

STALE_SECONDS = 86_400.0
"""How much longer, in seconds, the cached public keys of the token issuer are used while the issuer does not answer: a
day, as HTTP caches do with stale-if-error."""

COOL_DOWN_SECONDS = 10.0
"""The least time, in seconds, between two fetches of the token issuer's keys. An unknown key id in a token starts a
fetch, and tokens with invented key ids must not flood the issuer with requests."""

COLD_SECONDS = 1.0
"""The least time, in seconds, between two fetches of the token issuer's keys while no usable key is cached: short,
because no token can be checked until a fetch succeeds."""

IDLE_SECONDS = FRESH_SECONDS + COOL_DOWN_SECONDS
"""After this many seconds without a fetch of the issuer's keys, every token waits for the next fetch, even a token that
was checked before: a key that was withdrawn meanwhile must not be accepted once more. A process fetches so rarely if it
has few requests, or the same few tokens."""

COLD_WAIT_SECONDS, IDLE_WAIT_SECONDS, UNKNOWN_SECONDS = 5.0, 0.5, 0.1
"""How long, in seconds from the start of a fetch of the issuer's keys, a request waits for the fetch: 5 while no usable
key is cached, 0.5 after IDLE_SECONDS without a fetch, and 0.1 for a key id that is not cached. The waits are short
because a waiting request occupies its route group's bulkhead, and any client can invent key ids. The fetch continues
after the wait."""

MAX_KEYS = 64
"""From this number of usable keys on, further keys of the issuer are ignored; real issuers have two to five."""

Clock = Callable[[], float]
"""The type of a clock, a function that returns the time in seconds; tests pass a fake clock."""

Fetch = Callable[[], Coroutine[Any, Any, object]]
"""The type of a function that fetches the issuer's keys as JSON (JWKS)."""

Name = tuple[str, str]
"""The type of a public key's name: the key id and the signature algorithm."""

log = structlog.get_logger("auth")


class Keys:
    """The public keys of one issuer, by key id and algorithm. Concurrent callers share one fetch."""

    def __init__(self, algorithms: Collection[str], clock: Clock = monotonic) -> None:
        """Start without keys; the check of the first token fetches the keys.

        Args:
            algorithms: the accepted signature algorithms; keys for any other algorithm are ignored.
            clock: returns monotonic seconds; tests pass a fake clock.
        """
        self.fetches = 0
        self._algorithms, self._clock = algorithms, clock
        self._kept: Mapping[Name, PyJWK] = {}
        self._fetched_at = self._failed_at = self._tried_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    def accepts(self, key: PyJWK) -> bool:
        """Tell whether the key of a token that was checked before is still accepted.

        Each fetch replaces all keys, so that every cached token is checked anew after a fetch.
        """
        return self._kept.get(name_of(key)) is key and self._usable() and not self._idle()

    async def get(self, name: Name, fetch: Fetch) -> PyJWK | None:
        """Return the issuer's public key with this key id and algorithm, None when the issuer has no such key.

        Raises:
            Unavailable: there are no keys that may be used, or the issuer does not answer whether it has this key.
        """
        now, usable, known = self._clock(), self._usable(), name in self._kept
        pause = COOL_DOWN_SECONDS if usable else COLD_SECONDS
        due = not known or now - self._fetched_at > FRESH_SECONDS
        if due and (self._fetching or now - self._tried_at > pause):
            longest = IDLE_WAIT_SECONDS if self._idle() else UNKNOWN_SECONDS * (not known)
            await self._refresh(fetch, longest if usable else COLD_WAIT_SECONDS)
        unsure = self._fetching is not None or self._failed_at > self._fetched_at
        if not self._usable() or (name not in self._kept and unsure):
            raise Unavailable("The keys that check access tokens are not available. Try again.")
        return self._kept.get(name)

    def _usable(self) -> bool:
        return bool(self._kept) and self._clock() - self._fetched_at <= FRESH_SECONDS + STALE_SECONDS

    def _idle(self) -> bool:
        return self._clock() - max(self._fetched_at, self._failed_at) > IDLE_SECONDS

    async def _refresh(self, fetch: Fetch, longest: float) -> None:
        """Start a fetch of the keys if none runs, and wait for the end, at most `longest` seconds from the start.

        Neither the end of the wait nor the cancellation of a waiting caller cancels the fetch.
        """
        now = self._clock()
        if self._fetching is None:
            self._tried_at = now
            self._fetching = asyncio.get_running_loop().create_task(self._take(fetch), context=detached())
        seconds = longest - (now - self._tried_at)
        if seconds > 0:
            with suppress(TimeoutError):
                async with responsive_timeout(seconds):
                    await asyncio.shield(self._fetching)

    async def _take(self, fetch: Fetch) -> None:
        """Fetch the issuer's keys; keep the earlier keys when the issuer does not answer, or sends no key set."""
        self.fetches += 1
        try:
            self._kept, self._fetched_at = usable_keys(await fetch(), self._algorithms), self._clock()
        except Exception as error:  # noqa: BLE001 - whatever it is, requests get 503, and the earlier keys stay
            self._failed_at = self._clock()
            reason = error.detail if isinstance(error, ServiceError) else repr(error)
            age = round(self._clock() - self._fetched_at, 1) if self._kept else None
            log.warning("request for the keys of the token issuer failed", reason=reason, age=age)
        finally:
            self._fetching = None


def usable_keys(answer: object, algorithms: Collection[str]) -> dict[Name, PyJWK]:
    """Return the keys of a JWKS document that may check signatures, by key id and algorithm.

    Left out are private and shared keys, keys for encryption, short RSA keys, keys of other algorithms, and keys that
    are broken or have no id.

    Raises:
        DownstreamBadResponse: the document is no key set. A key set without keys is accepted: the issuer has withdrawn
            all keys.
    """
    listed = answer.get("keys") if isinstance(answer, dict) else None
    if not isinstance(listed, list):
        raise DownstreamBadResponse("issuer", "its response is no key set.")
    keys = (key for item in listed if isinstance(item, dict) for key in keys_of(item, algorithms))
    found = {name_of(key): key for key in islice(keys, MAX_KEYS)}
    if not found:
        log.error("the token issuer has no usable keys")
    return found


def keys_of(item: dict[str, Any], algorithms: Collection[str]) -> Iterator[PyJWK]:
    """Yield the key of a JWKS entry; without `alg`, yield a key for each accepted algorithm that fits the entry."""
    if "d" in item or item.get("use", "sig") != "sig" or not isinstance(item.get("kid"), str):
        return
    for algorithm in [item["alg"]] if "alg" in item else algorithms:
        # PyJWK does not validate the entry, so a malformed entry may raise almost any error
        with suppress(PyJWTError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError):
            key = PyJWK(item, algorithm)
            key.Algorithm.prepare_key(key.key)  # raises an error for a curve of a different algorithm
            if key.algorithm_name in algorithms and not key.Algorithm.check_key_length(key.key):
                yield key


def name_of(key: PyJWK) -> Name:
    """Return the key id and the algorithm of a key; keys of different algorithms may share a key id."""
    return str(key.key_id), str(key.algorithm_name)
