"""Malformed requests as bytes to gunicorn: each refusal names the reason, and no request is logged as an error."""

import sys
from collections.abc import Iterator

import pytest

from tests.server.processes import Service, serving
from tests.smoke.raw_http import asked, head

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

NO_HTTP = 400, "This is not a valid HTTP/1.1 request."
LIVE = "/health/live"


def get(target: str | bytes, *lines: str | bytes) -> bytes:
    return head("GET", target, *lines)


CASES = {
    "a NUL in the path": (get("/canary%00"), 404, "Not Found"),
    "no UTF-8 in the path": (get("/canary%ff"), 404, "Not Found"),
    "half a surrogate pair in the path": (get("/canary%ed%a0%80"), 404, "Not Found"),
    "an invalid escape": (get("/canary%zz%"), 404, "Not Found"),
    "a traversal of the path": (get("/canary/../../etc/passwd"), 404, "Not Found"),
    "a bare byte in the path": (get(b"/canary\xff"), *NO_HTTP),
    "a bare NUL in the path": (get(b"/canary\0"), *NO_HTTP),
    "a bare NUL in a header": (get(LIVE, b"X-Odd: canary\0"), *NO_HTTP),
    "a header without a name": (get(LIVE, ": canary"), *NO_HTTP),
    "a folded header": (get(LIVE, "X-Odd: 1", " canary"), *NO_HTTP),
    "no Host header": (b"GET /canary HTTP/1.1\r\n\r\n", 400, "exactly one Host header"),
    "two Host headers": (get(LIVE, "Host: canary"), 400, "exactly one Host header"),
    "a Host that is none": (b"GET / HTTP/1.1\r\nHost: canary/a b\r\n\r\n", 400, "exactly one Host header"),
    "an asterisk as the target": (head("OPTIONS", "*"), 404, "Not Found"),
    "a tunnel": (head("CONNECT", "canary:443"), 501, "no proxy"),
    "the wrong method": (head("DELETE", LIVE), 405, "Method Not Allowed"),
    "an unknown method": (head("CANARY", LIVE), *NO_HTTP),
    "an unknown version of HTTP": (b"GET / HTTP/9.9\r\n\r\n", *NO_HTTP),
    "no HTTP at all": (b"canary canary canary\r\n\r\n", *NO_HTTP),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", *NO_HTTP),
    "a negative length": (head("POST", "/canary", "Content-Length: -1"), *NO_HTTP),
    "a length of 400 digits": (head("POST", "/canary", f"Content-Length: {'9' * 400}"), *NO_HTTP),
    "two lengths": (head("POST", "/canary", "Content-Length: 1", "Content-Length: 2") + b"xx", *NO_HTTP),
    "a length and chunks": (head("POST", "/canary", "Content-Length: 1", "Transfer-Encoding: chunked"), *NO_HTTP),
    "chunks without a size": (head("POST", "/canary", "Transfer-Encoding: chunked") + b"canary\r\n", *NO_HTTP),
    "an unknown transfer encoding": (head("POST", "/canary", "Transfer-Encoding: canary"), 501, "is chunked"),
    "two transfer encodings": (head("POST", "/canary", "Transfer-Encoding: gzip, chunked"), 501, "is chunked"),
}  # fmt: skip

HARMLESS = {
    "bare bytes in a request id": (get(LIVE, b"X-Request-ID: \xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8"), b"ok"),
    "bare bytes in a trace": (get(LIVE, b"Traceparent: \xff", b"Tracestate: \xfe=\xfd"), b"ok"),
    "an invalid deadline": (get(LIVE, "X-Request-Timeout-Ms: -1", "Grpc-Timeout: NaN"), b"ok"),
    "an absolute URL": (get("http://elsewhere.example/health/live"), b"ok"),
    "an unknown parameter": (get(f"{LIVE}?a=%00&a=%ff&%00"), b"ok"),
    "an unexpected body": (get(LIVE, "Content-Length: 2") + b"\0\xff", b"ok"),
}  # fmt: skip


async def check_refusal(url: str, sent: bytes, status: int, reason: str) -> None:
    """Check that the refusal of a malformed request has this status and names this reason.

    The refusal must not repeat values of the request, which contain the word `canary`.
    """
    answer = await asked(url, [sent])

    said = " ".join([answer.problem["detail"], *(error["reason"] for error in answer.problem.get("errors", []))])
    assert answer.status == status
    assert reason in said
    assert b"canary" not in answer.body


@pytest.fixture(scope="module")
def service(server_url: str, template: str) -> Iterator[Service]:
    """The service with two workers, which logs warnings and errors only."""
    with serving(server_url, template, LOG_LEVEL="warning") as running:
        yield running


@pytest.mark.parametrize(("sent", "status", "reason"), CASES.values(), ids=CASES)
async def test_a_malformed_request_is_refused_with_the_reason_and_without_the_value(
    service: Service, sent: bytes, status: int, reason: str
) -> None:
    await check_refusal(service.url, sent, status, reason)


@pytest.mark.parametrize(("sent", "body"), HARMLESS.values(), ids=HARMLESS)
async def test_an_unusual_request_is_accepted(service: Service, sent: bytes, body: bytes) -> None:
    answer = await asked(service.url, [sent])

    assert answer.status < 300
    assert body in answer.body


def test_no_malformed_request_was_logged_as_an_error(service: Service) -> None:
    """The malformed requests of the other tests are not logged as errors: the client is at fault, not the service."""
    assert service.errors() == []
