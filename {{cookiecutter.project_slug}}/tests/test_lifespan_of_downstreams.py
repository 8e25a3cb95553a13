"""The lifespan with downstreams: clients open in order, and a shutdown or a failed start-up closes them."""

import asyncio
from inspect import signature
from typing import Any, Self

import pytest
from fastapi import FastAPI
from pydantic import HttpUrl
from sqlalchemy import text
from starlette.requests import HTTPConnection

from app.dependencies import get_downstreams
from app.settings.downstreams import DownstreamSettings, DownstreamsSettings
from app.settings.service import Settings
from tests.databases import make_settings, opened
from tests.http_client import httpx


class TwoDownstreams(DownstreamsSettings):
    """Settings with two additional downstreams: if the second fails to open, the first must be closed."""

    first: DownstreamSettings = DownstreamSettings(base_url=HttpUrl("http://first.invalid"), max_concurrent=3)
    second: DownstreamSettings = DownstreamSettings(base_url=HttpUrl("http://second.invalid"))


class Recorded(httpx.AsyncBaseTransport):
    """An HTTP transport that records when it is opened and closed."""

    def __init__(self, name: str, events: list[str]) -> None:
        self.name = name
        self.events = events

    async def __aenter__(self) -> Self:
        self.events.append(f"open {self.name}")
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.events.append(f"close {self.name}")


def with_two_downstreams(url: str, **changes: Any) -> Settings:  # noqa: ANN401 - Any, as settings have several types
    return make_settings(url, **changes).model_copy(update={"downstreams": TwoDownstreams()})


async def test_open_resources_are_closed_in_reverse_order(committed_url: str) -> None:
    events: list[str] = []
    async with opened(with_two_downstreams(committed_url), lambda name: Recorded(name, events)) as resources:
        await resources.reader.execute(text("SELECT 1"))
        pool = resources.engine.pool

    names = [event.removeprefix("open ") for event in events if event.startswith("open")]
    assert names[-2:] == ["first", "second"]
    assert events == [f"open {name}" for name in names] + [f"close {name}" for name in reversed(names)]
    assert resources.engine.pool is not pool  # dispose() has closed the pool: the engine has a new, empty pool


async def test_a_start_that_fails_half_way_closes_the_open_resources(committed_url: str) -> None:
    events: list[str] = []

    def fail_at_the_second(name: str) -> Recorded:
        if name == "second":
            raise RuntimeError("cannot open")
        return Recorded(name, events)

    with pytest.raises(RuntimeError, match="cannot open"):
        async with opened(with_two_downstreams(committed_url), fail_at_the_second):
            pytest.fail("the start went through")

    assert events[-1].startswith("close")
    assert events.count("open first") == events.count("close first") == 1


async def test_each_downstream_has_a_bulkhead_of_its_max_concurrent(committed_url: str) -> None:
    async with opened(with_two_downstreams(committed_url)) as resources:
        first = resources.downstreams["first"]
        for _ in range(3):
            await asyncio.wait_for(first.bulkhead.enter(), timeout=1)

        assert not first.bulkhead.try_enter()
        assert resources.downstreams["second"].bulkhead.try_enter()


async def test_a_websocket_route_gets_the_downstreams_too(committed_app: FastAPI) -> None:
    """FastAPI passes no `Request` to a WebSocket route, so the dependency must accept any HTTP connection."""
    websocket = HTTPConnection({"type": "websocket", "app": committed_app})

    assert signature(get_downstreams).parameters["request"].annotation is HTTPConnection
    assert await get_downstreams(websocket) is committed_app.state.resources.downstreams
