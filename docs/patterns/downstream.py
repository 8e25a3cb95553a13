"""A client for a downstream: a failed read is retried, but no write, and the circuit opens after too many failures."""

import asyncio
from contextlib import suppress

import httpx
from app.downstreams.client import Client
from app.downstreams.downstream import Downstream
from app.errors import DownstreamError
from app.settings.downstreams import DownstreamSettings


async def main() -> None:
    calls, posts = [], []

    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(request.method)
        return httpx.Response(200, json="ok") if len(calls) == 2 else httpx.Response(503)

    settings = DownstreamSettings(base_url="http://rates.invalid", breaker_min_calls=4)
    rates = Downstream("rates", Client("rates", settings, httpx.MockTransport(answer)), settings)
    assert await rates.get_json("usd") == "ok"
    for _ in range(3):
        with suppress(DownstreamError):
            await rates.send_json("POST", "orders", body={})
        posts.append(calls.count("POST"))
    assert posts == [1, 2, 2], posts  # each write was sent once; the last was refused: the circuit is open


asyncio.run(main())
