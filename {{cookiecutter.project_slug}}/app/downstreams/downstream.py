"""Downstream: bounded calls to one other service, so that a slow or dead downstream does not slow unrelated routes.

    remaining time -> circuit breaker -> bulkhead -> one attempt -> error or JSON of the response -> retry, if allowed

A call leaves the bulkhead after each attempt, and enters the bulkhead again for a retry. A request must not hold a
database connection during a call; see `held_connections.py`.
"""

import asyncio
import json
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from time import monotonic
from typing import Any, TypeVar

import stamina

from app.downstreams.attempts import Attempts
from app.downstreams.breaker import Breaker
from app.downstreams.cache import Cache
from app.downstreams.client import Answer, Call, Client
from app.downstreams.responses import encoded, error_in, json_in
from app.downstreams.retry_budget import RetryBudget
from app.errors import (
    DownstreamBadResponse,
    DownstreamOverloaded,
    DownstreamRefused,
    DownstreamTimedOut,
    DownstreamUnavailable,
    Unavailable,
)
from app.limits.bulkhead import Bulkhead
from app.request.held_connections import ConnectionHeld, holds_connection
from app.settings.downstreams import DownstreamSettings

T = TypeVar("T")


def _unchanged(value: Any) -> Any:  # noqa: ANN401 - JSON may be any value
    return value


class Downstream:
    """The calls to one other service, with circuit breaker, bulkhead, retry budget and response cache."""

    def __init__(
        self,
        name: str,
        client: Client,
        settings: DownstreamSettings,
        *,
        draining: Callable[[], bool] = bool,
        development: bool = False,
    ) -> None:
        """Build the circuit breaker, bulkhead, retry budget and cache of a downstream as replaceable attributes.

        Args:
            name: the name of the downstream in the settings.
            client: the HTTP client of the downstream.
            settings: the timeouts and bounds of the downstream.
            draining: tells whether this process is stopping; then calls are not retried.
            development: raise ConnectionHeld for a call by a request that holds a database connection.
        """
        self.name, self.client, self.settings = name, client, settings
        self.breaker = Breaker(settings.thresholds)
        self.bulkhead = Bulkhead(
            max_concurrent=settings.max_concurrent,
            max_queue=settings.max_queue,
            queue_timeout_seconds=settings.queue_timeout_seconds,
            refusal="too many calls are in flight.",
        )
        self.retries = RetryBudget(settings.retry_ratio)
        self.cache = Cache[Answer](
            seconds=settings.cache_seconds,
            stale_seconds=settings.cache_stale_seconds,
            max_bytes=settings.cache_bytes,
            weigh=lambda answer: len(answer.body),
        )
        self.observe: Callable[[int | None, float], object] = lambda _status, _seconds: None
        """A hook for metrics, called after each attempt: with the HTTP status or None, and the duration in seconds."""
        self.timed: Callable[[], AbstractContextManager[object]] = nullcontext
        """Returns a context manager that wraps each call, and adds the seconds of the call to the request's timings."""
        self._draining, self._development = draining, development

    async def get_json(self, *path: str, params: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON may be any value; the caller validates it
        """Send a GET request as `get` does, but return the JSON of the response without conversion."""
        return await self.get(*path, params=params, read=_unchanged)

    async def get(self, *path: str, params: Mapping[str, str] | None = None, read: Callable[[Any], T]) -> T:
        """Send a GET request, or use the cache, and return the JSON of the response, converted by `read`.

        Args:
            path: the segments of the path; each is percent-encoded, so that a value cannot add a segment.
            params: the query.
            read: converts the JSON, or raises `DownstreamBadResponse`; such a response is not cached.

        Raises:
            ValueError: a segment is empty, `.` or `..`.
            DownstreamError: a subclass for each reason, see `errors.py`.
        """
        call = Call("GET", encoded(path), params or {})

        async def load() -> Answer:
            answer = await self.call(call, retryable=True)
            read(json_in(self.name, answer))
            return answer

        if not self.settings.cache_seconds:
            return read(json_in(self.name, await self.call(call, retryable=True)))
        # Check this before the cache is read: code that holds a database connection must fail on a cache hit too.
        self._refuse_held_connections()
        with self.timed():
            answer = await self.cache.get((call.path, tuple(sorted(call.params.items()))), load)
        # `sleep(0)` lets other tasks run first: all callers that shared a load would else parse JSON without a pause.
        await asyncio.sleep(0)
        return read(json_in(self.name, answer))  # each caller gets separate JSON objects, and may change them

    async def send_json(self, method: str, *path: str, body: object, idempotency_key: str | None = None) -> Any:  # noqa: ANN401 - JSON may be any value; the caller validates it
        """Send a request with a JSON body and return the JSON of the response, None for an empty response.

        Args:
            method: POST, PUT, PATCH or DELETE.
            path: the segments of the path, as for `get`.
            body: any object that `json.dumps` accepts.
            idempotency_key: lets the downstream recognise a repeated request; without a key the call is not retried.

        Raises:
            ValueError: a segment of the path is empty, `.` or `..`.
            DownstreamError: a subclass for each reason, see `errors.py`.
        """
        headers = {"Content-Type": "application/json"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        call = Call(method, encoded(path), {}, json.dumps(body).encode(), headers)
        return json_in(self.name, await self.call(call, retryable=idempotency_key is not None))

    async def call(self, call: Call, *, retryable: bool) -> Answer:
        """Call the downstream, with retries if `retryable`, and return a response with a 2xx status.

        Raises:
            DownstreamError: a subclass for each reason, see `errors.py`.
        """
        self._refuse_held_connections()
        attempts = Attempts(self.settings, self.retries, retryable=retryable, draining=self._draining)
        with self.timed():
            async for attempt in stamina.retry_context(on=attempts.pause_after, attempts=None, timeout=None):
                with attempt:
                    return await self._attempt(call, attempts)
        raise AssertionError("stamina returns or raises")

    def _refuse_held_connections(self) -> None:
        if self._development and holds_connection():
            raise ConnectionHeld(
                f"A database connection is held while `{self.name}` is called. Read what you need before the call "
                "through a ReadSession, which gives it back at once, or open the transaction after it."
            )

    async def _attempt(self, call: Call, attempts: Attempts) -> Answer:
        if not attempts.seconds_left():
            raise DownstreamTimedOut(self.name, "there is no time left for a call.")
        ticket = self.breaker.enter()
        if ticket is None:
            seconds = math.ceil(self.breaker.seconds_to_probe()) or 1
            raise DownstreamRefused(self.name, "too many calls to it failed.", seconds)
        try:
            answer = await self._send(call, attempts)
            error = error_in(self.name, answer)
        except BaseException as failure:
            (self.breaker.failed if attempts.blames_downstream(failure) else self.breaker.left)(ticket)
            raise
        if isinstance(error, DownstreamUnavailable | DownstreamBadResponse):
            self.breaker.failed(ticket)
        else:
            self.breaker.succeeded(ticket)
        if error is not None:
            raise error
        return answer

    async def _send(self, call: Call, attempts: Attempts) -> Answer:
        try:
            async with asyncio.timeout_at(attempts.ends):
                try:
                    await self.bulkhead.enter()
                except Unavailable as full:
                    raise DownstreamOverloaded(self.name, full.detail) from None
                attempts.sent()
                began, status = monotonic(), None
                try:
                    answer = await self.client.send(replace(call, headers={**call.headers, **attempts.headers()}))
                    status = answer.status
                    return answer
                finally:
                    self.observe(status, monotonic() - began)
                    self.bulkhead.leave()
        except TimeoutError:
            if not attempts.cut_off():
                raise DownstreamOverloaded(self.name, "too many calls are in flight.") from None
            raise DownstreamTimedOut(self.name, f"no answer within {attempts.seconds:g} s.") from None
