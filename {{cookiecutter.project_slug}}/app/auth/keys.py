"""The public keys of the issuer: fetched from a JWKS address, cached in memory, refreshed in the background.

PyJWT's `PyJWKClient` is not used: it blocks the event loop while it fetches, and fails every request once its keys have
expired and the issuer is down. This module goes on with the cached keys for a day.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any

import structlog
from jwt import PyJWK, PyJWTError

from app.errors import DownstreamBadResponse, ServiceError, Unavailable
from app.limits.best_effort import responsive_timeout
from app.request.detached import detached

FRESH_SECONDS = 300.0
"""How long, in seconds, cached keys are used before they are fetched again. A key that the issuer has withdrawn is
accepted for at most this time and COOL_DOWN_SECONDS together, while the issuer answers."""

STALE_SECONDS = 86_400.0
"""How much longer, in seconds, cached keys are used while the issuer does not answer: a day (stale-if-error)."""

COOL_DOWN_SECONDS = 10.0
"""The least time between two fetches of keys, in seconds: tokens with invented key ids must not flood the issuer."""

COLD_SECONDS = 1.0
"""The least time between two fetches of keys, in seconds, while no key is cached."""

IDLE_SECONDS = FRESH_SECONDS + COOL_DOWN_SECONDS
"""After this time without a fetch, as in a process with few requests or with the same few tokens, a token waits for the
next fetch, also a token that was checked before: a key that was withdrawn meanwhile must not be accepted once more."""

COLD_WAIT_SECONDS, IDLE_WAIT_SECONDS, UNKNOWN_SECONDS = 5.0, 0.5, 0.1
"""The longest wait of a token for a fetch, in seconds from the start of the fetch: while no key is cached, after
IDLE_SECONDS, and for a key id that is not cached. A waiting request has a place in its route group, and anybody can
invent key ids; the fetch goes on without the token."""

MAX_KEYS = 64
"""From this number of usable keys on, further keys of the issuer are ignored; real issuers have two to five."""

RSA_BITS = 2048
"""The least length of an RSA key in bits, as NIST SP 800-131A requires."""

Fetch = Callable[[], Coroutine[Any, Any, object]]
"""The type of a function that fetches the issuer's keys as JSON (JWKS)."""

Name = tuple[str, str]
"""The name of a key: its id and its algorithm."""

log = structlog.get_logger("auth")


class Keys:
    """The public keys of one issuer, by key id and algorithm. Concurrent callers share one fetch."""

    def __init__(self, algorithms: Collection[str], clock: Callable[[], float] = monotonic) -> None:
        """Start without keys; the first token fetches them.

        Args:
            algorithms: the accepted signature algorithms; keys for any other algorithm are ignored.
            clock: returns monotonic seconds; tests pass a fake clock.
        """
        self.fetches = 0
        self._algorithms = algorithms
        self._clock = clock
        self._kept: Mapping[Name, PyJWK] = {}
        self._fetched_at = self._failed_at = self._tried_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    def accepts(self, key: PyJWK) -> bool:
        """Tell whether a key that this object has returned is still accepted."""
        return self._usable() and not self._idle() and self._kept.get(name_of(key)) is key

    async def get(self, name: Name, fetch: Fetch) -> PyJWK | None:
        """Return the key with this id and algorithm, None when the issuer has no such key.

        Raises:
            Unavailable: there are no keys that may be used, or the issuer does not answer whether it has this key.
        """
        now, usable, known = self._clock(), self._usable(), name in self._kept
        pause = COOL_DOWN_SECONDS if usable else COLD_SECONDS
        due = not known or now - self._fetched_at > FRESH_SECONDS
        if due and (self._fetching or now - self._tried_at > pause):
            fetching = self._refresh(fetch)
            longest = IDLE_WAIT_SECONDS if self._idle() else UNKNOWN_SECONDS * (not known)
            seconds = longest if usable else COLD_WAIT_SECONDS
            since = max(0.0, now - self._tried_at)
            if seconds > since:
                await _wait(fetching, seconds - since)
        unsure = self._fetching is not None or self._failed_at > self._fetched_at
        if not self._usable() or (name not in self._kept and unsure):
            raise Unavailable("The keys that check access tokens are not available. Try again.")
        return self._kept.get(name)

    def _usable(self) -> bool:
        return bool(self._kept) and self._clock() - self._fetched_at <= FRESH_SECONDS + STALE_SECONDS

    def _idle(self) -> bool:
        return self._clock() - max(self._fetched_at, self._failed_at) > IDLE_SECONDS

    def _refresh(self, fetch: Fetch) -> asyncio.Task[None]:
        if self._fetching is None:
            self._tried_at = self._clock()
            self._fetching = asyncio.get_running_loop().create_task(self._take(fetch), context=detached())
        return self._fetching

    async def _take(self, fetch: Fetch) -> None:
        """Fetch the keys; keep the earlier keys when the issuer does not answer, or sends no key set."""
        self.fetches += 1
        try:
            found = usable_keys(await fetch(), self._algorithms)
        except Exception as error:  # noqa: BLE001 - whatever it is, requests get 503, and the earlier keys stay
            self._failed_at = self._clock()
            reason = error.detail if isinstance(error, ServiceError) else repr(error)
            log.warning("request for the keys of the token issuer failed", reason=reason, age=self._age())
        else:
            # an unchanged key stays the same object: a checked token counts only as long as its key is the same object
            same = {name: old for name, old in self._kept.items() if name in found and _text(old) == _text(found[name])}
            self._kept, self._fetched_at = found | same, self._clock()
            if not found:
                log.error("the token issuer has no usable keys")
        finally:
            self._fetching = None

    def _age(self) -> float | None:
        return round(self._clock() - self._fetched_at, 1) if self._kept else None


async def _wait(fetching: asyncio.Task[None], seconds: float) -> None:
    """Wait for a fetch; neither the end of the time nor the cancellation of a waiting caller cancels the fetch."""
    with suppress(TimeoutError):
        async with responsive_timeout(seconds):
            await asyncio.shield(fetching)


def usable_keys(answer: object, algorithms: Collection[str]) -> dict[Name, PyJWK]:
    """Return the keys of a JWKS document that may check signatures, by key id and algorithm.

    Left out are private and shared keys, keys for encryption, short RSA keys, keys of other algorithms, and keys that
    are broken or have no id.

    Raises:
        DownstreamBadResponse: the document is no key set. A key set without keys is one: the issuer has withdrawn all.
    """
    listed = answer.get("keys") if isinstance(answer, dict) else None
    if not isinstance(listed, list):
        raise DownstreamBadResponse("issuer", "its response is no key set.")
    found: dict[Name, PyJWK] = {}
    for item in listed:
        for key in keys_of(item, algorithms) if isinstance(item, dict) and len(found) < MAX_KEYS else ():
            found[name_of(key)] = key
    return found


def keys_of(item: dict[str, Any], algorithms: Collection[str]) -> Iterator[PyJWK]:
    """Yield the key of a JWKS entry, an RSA key without `alg` once for each accepted algorithm of RSA."""
    if "d" in item or item.get("use", "sig") != "sig" or not isinstance(item.get("kid"), str):
        return
    free = item.get("kty") == "RSA" and "alg" not in item
    for algorithm in [name for name in algorithms if name[0] in "RP"] if free else [None]:
        try:
            key = PyJWK(item, algorithm)
        except (PyJWTError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError):  # PyJWK trusts it
            continue
        long_enough = getattr(key.key, "key_size", RSA_BITS) >= RSA_BITS or item.get("kty") != "RSA"
        if key.algorithm_name in algorithms and long_enough:
            yield key


def name_of(key: PyJWK) -> Name:
    """Return the key id and the algorithm of a key; keys of different algorithms may share a key id."""
    return str(key.key_id), str(key.algorithm_name)


def _text(key: PyJWK) -> str:
    return repr(sorted(vars(key)["_jwk_data"].items()))
