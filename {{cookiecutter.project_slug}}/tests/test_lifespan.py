"""The lifespan opens once, closes in reverse, and closes what it had opened when the start fails half way."""

import asyncio
from dataclasses import FrozenInstanceError
from typing import Any, Self

import pytest
from anyio import to_thread
from fastapi import FastAPI
from pydantic import HttpUrl
from sqlalchemy import text

from app.downstreams.client import httpx
from app.downstreams.settings import DownstreamSettings, DownstreamsSettings
from app.lifespan import Resources, open_resources
from app.settings import Settings
from tests.databases import make_settings


class TwoDownstreams(DownstreamsSettings):
    """Two more, so that one can open before another fails."""

    first: DownstreamSettings = DownstreamSettings(base_url=HttpUrl("http://first.invalid"), concurrency=3)
    second: DownstreamSettings = DownstreamSettings(base_url=HttpUrl("http://second.invalid"))


class Recorded(httpx.AsyncBaseTransport):
    """A transport that writes down its opening and closing."""

    def __init__(self, name: str, events: list[str]) -> None:
        self.name = name
        self.events = events

    async def __aenter__(self) -> Self:
        self.events.append(f"open {self.name}")
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.events.append(f"close {self.name}")


def with_two_downstreams(url: str, **changes: Any) -> Settings:  # noqa: ANN401 - any setting may be changed
    return make_settings(url, **changes).model_copy(update={"downstreams": TwoDownstreams()})


async def test_what_was_opened_is_closed_in_reverse(committed_url: str) -> None:
    events: list[str] = []
    async with open_resources(with_two_downstreams(committed_url), lambda name: Recorded(name, events)) as resources:
        await resources.reader.execute(text("SELECT 1"))
        pool = resources.engine.pool

    opened = [event.removeprefix("open ") for event in events if event.startswith("open")]
    assert opened[-2:] == ["first", "second"]
    assert events == [f"open {name}" for name in opened] + [f"close {name}" for name in reversed(opened)]
    assert resources.engine.pool is not pool  # dispose() closed the old one and left an empty one


async def test_a_start_that_fails_half_way_closes_what_it_had_opened(committed_url: str) -> None:
    events: list[str] = []

    def fail_at_the_second(name: str) -> Recorded:
        if name == "second":
            raise RuntimeError("cannot open")
        return Recorded(name, events)

    with pytest.raises(RuntimeError, match="cannot open"):
        async with open_resources(with_two_downstreams(committed_url), fail_at_the_second):
            pytest.fail("the start went through")

    assert events[-1].startswith("close")
    assert events.count("open first") == events.count("close first") == 1


async def test_resources_are_frozen(committed_app: FastAPI) -> None:
    resources: Resources = committed_app.state.resources

    with pytest.raises(FrozenInstanceError):
        resources.engine = resources.engine  # type: ignore[misc] # the point of the test


async def test_each_downstream_has_a_gate_of_its_size(committed_url: str) -> None:
    async with open_resources(with_two_downstreams(committed_url)) as resources:
        first = resources.downstreams["first"]
        for _ in range(3):
            await asyncio.wait_for(first.gate.enter(), timeout=1)

        assert not first.gate.enter_now()
        assert resources.downstreams["second"].gate.enter_now()


async def test_the_pool_and_the_threads_have_the_sizes_of_the_plan(committed_url: str) -> None:
    settings = with_two_downstreams(committed_url, database_pool_limit=3, thread_tokens=7, web_concurrency=1)
    async with open_resources(settings) as resources:
        sizes = (resources.engine.pool.size(), to_thread.current_default_thread_limiter().total_tokens)  # type: ignore[attr-defined] # not on every pool

    assert sizes == (3, 7)
