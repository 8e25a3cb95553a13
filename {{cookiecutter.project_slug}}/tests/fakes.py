"""Fake downstreams: functions that answer in place of other services, while the service's own client stays in use."""

from collections.abc import Callable, Iterator

import pytest
from fastapi import FastAPI

from app.downstreams.client import httpx
from app.main import create_app
from app.settings.service import Settings

Handler = Callable[[httpx.Request], httpx.Response]


class Fakes(dict[str, Handler]):
    """Fake downstreams: a function from request to response, by the name of the downstream. Tests add functions."""

    def transport(self, name: str) -> httpx.AsyncBaseTransport:
        """Return an HTTP transport on which the fake answers, or raises KeyError if the test registered no fake."""

        def answer(request: httpx.Request) -> httpx.Response:
            return self[name](request)

        return httpx.MockTransport(answer)


FAKES = Fakes()
"""The fake downstreams of every app of the test run; the fixture `fakes` removes them after each test."""


@pytest.fixture
def fakes() -> Iterator[Fakes]:
    """The fake downstreams, to which a test adds functions; after the test all functions are removed."""
    yield FAKES
    FAKES.clear()


def build_app(settings: Settings) -> FastAPI:
    """Build the app with the fake downstreams."""
    return create_app(settings, FAKES.transport)
