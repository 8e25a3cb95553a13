"""The way to one other service, step by step, so that a slow or dead one costs its own callers and nobody else.

    what is left of the time -> breaker -> gate -> one attempt -> what its answer means -> again, if it may

The gate's place is held only for the attempt, and no connection of the database in any of it (see `held.py`).
"""

import asyncio
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import stamina

from app.downstreams.breaker import Breaker
from app.downstreams.cache import Cache
from app.downstreams.client import Answer, Call, Client
from app.downstreams.meaning import encoded, error_in, json_in
from app.downstreams.retry import RetryBudget
from app.downstreams.settings import DownstreamSettings
from app.downstreams.trial import Trial
from app.errors import (
    DownstreamBadResponse,
    DownstreamError,
    DownstreamOverloaded,
    DownstreamRefused,
    DownstreamTimedOut,
    DownstreamUnavailable,
    Unavailable,
)
from app.gate import Gate
from app.held import refuse_held_connections

T = TypeVar("T")


def _as_it_is(value: Any) -> Any:  # noqa: ANN401 - JSON may be anything
    return value


class Downstream:
    """One other service."""

    def __init__(
        self,
        name: str,
        client: Client,
        settings: DownstreamSettings,
        *,
        draining: Callable[[], bool] = bool,
        development: bool = False,
    ) -> None:
        """Build the parts; each can be replaced.

        Args:
            name: as in the settings.
            client: its connections.
            settings: its limits.
            draining: tells whether this process is about to end; then nothing is tried again.
            development: complain about calls with a database connection in hand.
        """
        self.name = name
        self.client = client
        self.settings = settings
        self.breaker = Breaker(settings.breaker)
        self.gate = Gate(
            places=settings.concurrency,
            max_waiting=settings.waiting,
            max_wait_seconds=settings.wait_seconds,
            refusal="too many calls wait for it.",
        )
        self.retries = RetryBudget(settings.retry_share)
        self.cache = Cache[Answer](
            seconds=settings.cache_seconds,
            stale_seconds=settings.cache_stale_seconds,
            max_bytes=settings.cache_bytes,
            weigh=lambda answer: len(answer.body),
        )
        self._draining = draining
        self._development = development

    async def get_json(self, *path: str, params: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON may be anything; the caller validates it
        """Return the JSON under this path; see `get`."""
        return await self.get(*path, params=params, read=_as_it_is)

    async def get(self, *path: str, params: Mapping[str, str] | None = None, read: Callable[[Any], T]) -> T:
        """Return what is read from the JSON under this path, from the cache if the settings say so.

        Args:
            path: the parts of the path, each percent-encoded here, so that a value cannot leave its place.
            params: the query.
            read: takes from the JSON what is wanted, or raises `DownstreamBadResponse`; such an answer is not kept.

        Raises:
            ValueError: a part of the path would name another place.
            DownstreamError: one of its children, see `errors.py`.
        """
        call = Call("GET", encoded(path), params or {})

        async def load() -> Answer:
            answer = await self.call(call, repeatable=True)
            read(json_in(self.name, answer))
            return answer

        if not self.settings.cache_seconds:
            return read(json_in(self.name, await self.call(call, repeatable=True)))
        self._refuse_held_connections()  # whether the cache has an answer or not
        answer = await self.cache.get((call.path, tuple(sorted(call.params.items()))), load)
        await asyncio.sleep(0)  # a hundred that waited for it wake at once, and each reads it anew
        return read(json_in(self.name, answer))  # anew for each caller, who may change what it gets

    async def send_json(self, method: str, *path: str, body: object, idempotency_key: str | None = None) -> Any:  # noqa: ANN401 - as above
        """Send JSON and return the JSON of the answer, None when it is empty.

        Args:
            method: POST, PUT, PATCH or DELETE.
            path: as above.
            body: what `json.dumps` can write.
            idempotency_key: the same key makes it the same request, however often it arrives; only then it is repeated.

        Raises:
            ValueError, DownstreamError: as above.
        """
        headers = {"Content-Type": "application/json"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        call = Call(method, encoded(path), {}, json.dumps(body).encode(), headers)
        return json_in(self.name, await self.call(call, repeatable=idempotency_key is not None))

    async def call(self, call: Call, *, repeatable: bool) -> Answer:
        """Make a call, again if it may be, and return an answer with a status below 300.

        Raises:
            DownstreamError: one of its children, see `errors.py`.
        """
        self._refuse_held_connections()
        trial = Trial(self.settings, self.retries, repeatable=repeatable, draining=self._draining)
        async for attempt in stamina.retry_context(on=trial.pause_after, attempts=None, timeout=None):
            with attempt:
                return await self._attempt(call, trial)
        raise AssertionError("stamina returns or raises")

    def _refuse_held_connections(self) -> None:
        if self._development:
            refuse_held_connections(self.name)

    async def _attempt(self, call: Call, trial: Trial) -> Answer:
        if not trial.seconds_left():
            raise DownstreamTimedOut(self.name, "there is no time left for a call.")
        ticket = self.breaker.enter()
        if ticket is None:
            seconds = math.ceil(self.breaker.seconds_to_probe()) or 1
            raise DownstreamRefused(self.name, "too many calls to it failed.", seconds)
        try:
            answer = await self._send(call, trial)
            error = error_in(self.name, answer)
        except DownstreamError as failure:
            (self.breaker.failed if trial.blames(failure) else self.breaker.left)(ticket)
            raise
        except BaseException:
            self.breaker.left(ticket)
            raise
        if isinstance(error, DownstreamUnavailable | DownstreamBadResponse):
            self.breaker.failed(ticket)
        else:
            self.breaker.succeeded(ticket)
        if error is not None:
            raise error
        return answer

    async def _send(self, call: Call, trial: Trial) -> Answer:
        try:
            async with asyncio.timeout_at(trial.ends):
                try:
                    await self.gate.enter()
                except Unavailable as full:
                    raise DownstreamOverloaded(self.name, full.detail) from None
                trial.sent()
                try:
                    return await self.client.send(replace(call, headers={**call.headers, **trial.headers()}))
                finally:
                    self.gate.leave()
        except TimeoutError:
            if not trial.cut_off():
                raise DownstreamOverloaded(self.name, "too many calls wait for it.") from None
            raise DownstreamTimedOut(self.name, f"no answer within {trial.seconds:g} s.") from None
