"""A request that is refused before routing, such as a malformed header, has one log line with reason, path and ids."""

import asyncio
import sys
from collections.abc import Iterator

import pytest

from tests.server.processes import Service, serving
from tests.smoke.raw_http import asked, head

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

CHUNKED = "Transfer-Encoding: chunked"
LONG = "/" + "x" * 9_000


def named(method: str, target: str, name: str, *lines: str) -> bytes:
    return head(method, target, f"X-Request-ID: {name}", *lines)


REFUSED: dict[str, tuple[bytes, int, str, str | None]] = {
    "no HTTP": (b"\x16\x03\x01\r\n\r\n", 400, "", None),
    "a malformed header": (named("GET", "/echo?q=1", "malformed-1", "A: 1", "broken"), 400, "/echo", "malformed-1"),
    "a malformed body": (named("POST", "/echo?q=1", "malformed-2", CHUNKED) + b"x\r\n", 400, "/echo", "malformed-2"),
    "a late malformed body": (named("POST", "/echo", "late-body-1", CHUNKED) + b"1\r\nxx", 400, "/echo", "late-body-1"),
    "two Hosts": (named("GET", "/a", "two-hosts-1", "Host: other"), 400, "/a", "two-hosts-1"),
    "a long URL": (named("GET", LONG, "long-url-1"), 414, LONG[:256], "long-url-1"),
    "many headers": (named("GET", "/a", "headers-1", *["a:"] * 200), 431, "/a", "headers-1"),
    "a tunnel": (b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 501, "a:80", None),
}
"""Requests that the server refuses before routing, by kind: the bytes, the expected status, the path in the log line,
and the request id if the client sent one."""


@pytest.fixture(scope="module")
def service(server_url: str, template: str) -> Iterator[Service]:
    """The service with two workers, under gunicorn, to which a test sends requests that are refused."""
    with serving(server_url, template, "--pythonpath=tests/faults", "connection_app:app") as running:
        running.wait_until_started()
        yield running


@pytest.mark.parametrize("kind", REFUSED)
async def test_a_refused_request_has_one_line(service: Service, kind: str) -> None:
    request, status, path, given = REFUSED[kind]
    before = len(service.lines())

    answer = await asked(service.url, [request])
    request_id = answer.problem["request_id"]
    line = service.wait_for("request refused before routing", request_id=request_id)[0]
    await asyncio.sleep(0.3)  # waits for a second log line of the request, which would be a bug

    assert (answer.status, given in {None, request_id}) == (status, True)
    assert (line["status"], line["reason"], line["path"]) == (status, answer.problem["detail"], path)
    assert (line["client"], len(line["trace_id"]), line["level"]) == ("127.0.0.1", 32, "info")
    events = [line["event"] for line in service.lines()[before:]]
    # on a slow machine, the service also logs stalls of the event loop
    of_the_request = [event for event in events if not event.startswith("event loop")]
    assert of_the_request == ["request refused before routing"]
