"""Fake downstreams: functions that answer in place of other services, while the service's own client stays in use."""

from collections.abc import Callable, Iterator

import pytest
from fastapi import FastAPI

from app.downstreams.client import httpx
from app.main import create_app
from app.settings.service import Settings

Handler = Callable[[httpx.Request], httpx.Response]


class Fakes(dict[str, Handler]):
    """Fake downstreams: for each downstream's name a function from request to response, added by the test."""

    def transport(self, name: str) -> httpx.AsyncBaseTransport:
        """Return an HTTP transport on which the fake answers; without a fake for the name, a call raises KeyError."""

        def answer(request: httpx.Request) -> httpx.Response:
            return self[name](request)

        return httpx.MockTransport(answer)


FAKES = Fakes()
"""The fake downstreams of all apps of the test run; the fixture `fakes` removes them after each test."""


@pytest.fixture
def fakes() -> Iterator[Fakes]:
    """The fake downstreams, to which a test adds functions; removed after the test."""
    yield FAKES
    FAKES.clear()


def build_app(settings: Settings) -> FastAPI:
    """Build the app with the fake downstreams."""
    return create_app(settings, FAKES.transport)
