"""What the protocol class takes from uvicorn. A new uvicorn that changes it fails here first, by name.

What it does over real sockets is in `tests/faults/test_sizes.py` and `tests/faults/test_malformed.py`.
"""

import inspect

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle


@pytest.mark.parametrize(
    "overridden",
    [
        *("connection_made", "connection_lost", "data_received", "on_message_begin", "on_headers_complete"),
        *("on_body", "on_url", "send_400_response"),
    ],
)
def test_uvicorn_still_calls_what_is_overridden(overridden: str) -> None:
    assert callable(vars(HttpToolsProtocol)[overridden])


def test_uvicorn_still_turns_a_failing_callback_into_the_refusal() -> None:
    source = inspect.getsource(HttpToolsProtocol.data_received)

    assert "except httptools.HttpParserError" in source
    assert "self.send_400_response(" in source


@pytest.mark.parametrize("name", ["cycle", "flow", "loop", "transport", "client", "url"])
def test_the_protocol_still_has(name: str) -> None:
    assert f"self.{name}" in inspect.getsource(HttpToolsProtocol)


@pytest.mark.parametrize("name", ["disconnected", "message_event", "response_started", "response_complete"])
def test_a_request_still_has(name: str) -> None:
    assert f"self.{name} = " in inspect.getsource(RequestResponseCycle)


def test_reading_can_still_be_resumed() -> None:
    assert callable(FlowControl.resume_reading)
