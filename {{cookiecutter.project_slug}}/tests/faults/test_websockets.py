"""WebSockets under gunicorn outlive the timeout of a request's head, and are closed with code 1012 at a stop.

A bad handshake is refused, and has a request id and one log line.
"""

import asyncio
import sys
from collections.abc import Iterator

import pytest
from uvicorn.protocols.websockets.auto import AutoWebSocketsProtocol

from tests.faults.websocket_client import CLOSE, KEY, TEXT, Talk, frame, talking
from tests.server.processes import Service, gunicorn, serving
from tests.smoke.raw_http import asked, head

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows"),
    pytest.mark.skipif(AutoWebSocketsProtocol is None, reason="no WebSocket library is installed"),
]

APP = "--pythonpath=tests/faults", "short_heads_app:app"

HEAD_SECONDS = 1.0
"""The service's timeout for the arrival of a request's head, in seconds, shortened from 10 s to keep the tests
short."""

SERVICE_RESTART = (1012).to_bytes(2, "big")
"""The close code 1012, "service restart", as in a close frame."""


@pytest.fixture(scope="module")
def service(server_url: str, template: str) -> Iterator[Service]:
    """The service with two workers, test routes for WebSockets, and a timeout of 1 s for a request's head."""
    with serving(server_url, template, *APP) as running:
        yield running


async def test_a_websocket_lives_longer_than_the_timeout_of_a_head(service: Service) -> None:
    async with talking(service.url, "/talk") as talk:
        first = await talk.asked("one")
        await asyncio.sleep(3 * HEAD_SECONDS)
        second = await talk.asked("two")

    assert (talk.status, first, second) == (101, "ONE", "TWO")


async def test_a_websocket_opens_after_the_responses_to_requests_ahead(service: Service) -> None:
    ahead = head("GET", "/wait?seconds=0.3") + head("GET", "/queued")
    async with talking(service.url, "/talk", ahead=ahead) as talk:
        first = await talk.asked("one")
        await asyncio.sleep(3 * HEAD_SECONDS)
        second = await talk.asked("two")

    assert (talk.status, first, second) == (101, "ONE", "TWO")


async def heard(talk: Talk, count: int) -> list[tuple[int, bytes]]:
    async with asyncio.timeout(30):
        return [await talk.receive() for _ in range(count)]


@pytest.mark.parametrize("path", ["/talk", "/late-talk"])
async def test_frames_that_come_before_the_response_are_read(service: Service, path: str) -> None:
    early = frame("one") + frame("two")
    async with talking(service.url, path, behind=early, late=frame("three")) as talk:
        texts = await heard(talk, 3)

    assert (talk.status, texts) == (101, [(TEXT, b"ONE"), (TEXT, b"TWO"), (TEXT, b"THREE")])


async def test_a_handshake_may_have_a_whole_url(service: Service) -> None:
    async with talking(service.url, f"{service.url}/talk?room=1") as talk:
        text = await talk.asked("one")

    assert (talk.status, text) == (101, "ONE")


@pytest.mark.parametrize("path", ["/read", "/snapshot", "/write", "/transactions", "/resources"])
async def test_a_websocket_route_may_use_the_dependencies(service: Service, path: str) -> None:
    async with talking(service.url, path) as talk:
        assert talk.status == 101
        assert await heard(talk, 1) == [(TEXT, b"1")]


async def test_a_websocket_ends_with_1012_at_sigterm(committed_url: str) -> None:
    with gunicorn(committed_url, *APP) as service:
        service.wait_until_started()
        async with talking(service.url, "/talk") as talk:
            text = await talk.asked("one")
            service.process.terminate()
            kind, content = await asyncio.wait_for(talk.receive(), timeout=30)
        code = await asyncio.to_thread(service.process.wait, 30)

    assert (text, kind, content[:2], code) == ("ONE", CLOSE, SERVICE_RESTART, 0)


@pytest.mark.parametrize(("path", "status"), [("/closed", 403), ("/nowhere", 404), ("/health/live", 200)])
async def test_a_refused_websocket_has_an_id_and_an_access_line(service: Service, path: str, status: int) -> None:
    request_id = f"refused-{status}-0001"
    async with talking(service.url, path, f"X-Request-ID: {request_id}") as talk:
        answered = talk.status, f"x-request-id: {request_id}" in talk.response

    assert answered == (status, True)
    assert service.errors() == []
    if status != 200:  # 200 is the response to a health probe, which writes no log line
        (line,) = service.wait_for("request", request_id=request_id)
        assert (line["method"], line["path"], line["status"]) == ("GET", path, status)
        assert len([line for line in service.lines() if line.get("request_id") == request_id]) == 1


UPGRADE = "Connection: Upgrade", "Upgrade: websocket"
VERSION = "Sec-WebSocket-Version: 13"
BAD_HANDSHAKES = {
    "an old version": (426, ["Sec-WebSocket-Version: 8", KEY]),
    "no version in digits": (426, ["Sec-WebSocket-Version: thirteen", KEY]),
    "two versions": (426, [VERSION, "Sec-WebSocket-Version: 8", KEY]),
    "a short key": (400, [VERSION, "Sec-WebSocket-Key: dGhlIHNhbXBsZQ=="]),
    "a key that is no base64": (400, [VERSION, "Sec-WebSocket-Key: the sample nonce of 22 =="]),
    "an empty key": (400, [VERSION, "Sec-WebSocket-Key:"]),
    "two keys": (400, [VERSION, KEY, KEY]),
}
"""Bad handshakes by kind: the status of the refusal, and the WebSocket headers of the handshake."""


@pytest.mark.parametrize("kind", BAD_HANDSHAKES)
async def test_a_bad_handshake_is_refused_with_an_id_and_one_line(service: Service, kind: str) -> None:
    status, lines = BAD_HANDSHAKES[kind]
    request_id = f"handshake-{kind.replace(' ', '-')}"
    request = head("GET", "/talk?secret=1", *UPGRADE, *lines, f"X-Request-ID: {request_id}")

    answer = await asked(service.url, [request])

    assert (answer.status, answer.problem["request_id"]) == (status, request_id)
    assert answer.headers.get("sec-websocket-version") == ("13" if status == 426 else None)
    (line,) = service.wait_for("request refused before routing", request_id=request_id)
    assert (line["status"], line["reason"]) == (status, answer.problem["detail"])
    assert (line["path"], line["client"]) == ("/talk", "127.0.0.1")
    assert len([line for line in service.lines() if line.get("request_id") == request_id]) == 1


async def test_a_host_that_the_library_cannot_decode_is_refused(service: Service) -> None:
    request = head("GET", "/talk", *UPGRADE, VERSION, KEY).replace(b"Host: service", b"Host: xn--a.example")

    answer = await asked(service.url, [request])

    detail = "A handshake has a valid host, and a Sec-WebSocket-Key of 16 bytes in base64."
    assert (answer.status, answer.problem["detail"]) == (400, detail)
    assert service.errors() == []
