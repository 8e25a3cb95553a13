"""A service with a WebSocket route, but without a WebSocket library, as in the container image, refuses to start."""

import sys

import pytest
from uvicorn.protocols.websockets.auto import AutoWebSocketsProtocol

from app.web.websockets import DEPENDENCY
from tests.server.processes import START_SECONDS, gunicorn

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows"),
    pytest.mark.skipif(AutoWebSocketsProtocol is not None, reason="a WebSocket library is installed"),
]


ONE_WORKER = {"WEB_CONCURRENCY": "1"}
"""One worker, since gunicorn's master may crash when two workers refuse to start at the same moment."""


def test_a_websocket_route_without_a_library_stops_the_start_with_the_line_to_add() -> None:
    with gunicorn("postgresql://app@127.0.0.1:1/none", "tests.server.websocket_app:app", **ONE_WORKER) as service:
        code = service.process.wait(timeout=START_SECONDS)
        errors, output = service.errors(), service.log.read_text("utf-8")

    assert code == 3
    assert errors[0] == (
        "The service cannot start: /talk is a WebSocket route, and no WebSocket library is installed: "
        f'add "{DEPENDENCY}" to `dependencies` in pyproject.toml, then run `make setup`.'
    )
    assert "Traceback" not in output
