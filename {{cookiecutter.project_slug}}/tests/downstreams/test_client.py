"""Calls to a downstream stay below its base URL, carry trace and deadline, and accept only small JSON responses."""

import asyncio
import gzip

import pytest
from pydantic import SecretStr, ValidationError

from app.downstreams.client import Call, httpx
from app.errors import DownstreamBadResponse, DownstreamError, DownstreamNotFound, DownstreamRejected
from app.settings.downstreams import DownstreamSettings
from app.web.request_id import RequestId
from app.web.trust import TrustedCallers
from tests.downstreams.scripted_downstream import ScriptedResponses, build_downstream


@pytest.mark.parametrize(
    ("part", "encoded"),
    [
        ("a/b", "a%2Fb"),
        ("../admin", "..%2Fadmin"),
        ("x?admin=1", "x%3Fadmin%3D1"),
        ("x#y", "x%23y"),
        ("%2e%2e", "%252e%252e"),
        ("%40evil.invalid", "%2540evil.invalid"),
        ("@evil.invalid", "%40evil.invalid"),
        ("line\nbreak", "line%0Abreak"),
        ("ß", "%C3%9F"),
        ("\uff0e\uff0e", "%EF%BC%8E%EF%BC%8E"),
        ("//evil.invalid", "%2F%2Fevil.invalid"),
        ("http://evil.invalid", "http%3A%2F%2Fevil.invalid"),
    ],
)
async def test_a_path_segment_cannot_change_the_path(part: str, encoded: str) -> None:
    responses = ScriptedResponses(200)

    await build_downstream(responses).get_json("things", part)

    assert [request.url.raw_path.decode() for request in responses.requests] == [f"/api/things/{encoded}"]
    assert [request.url.host for request in responses.requests] == ["downstream.invalid"]


@pytest.mark.parametrize("part", ["", ".", "..", "..;", ";x"])
async def test_a_path_segment_of_dots_or_nothing_is_refused(part: str) -> None:
    with pytest.raises(ValueError, match="cannot be a segment of a path"):
        await build_downstream(ScriptedResponses(200)).get_json("things", part)


async def test_a_call_cannot_name_another_host() -> None:
    responses = ScriptedResponses(200)
    with pytest.raises(ValueError, match="below the base URL"):
        await build_downstream(responses).call(Call("GET", "http://evil.invalid/x"), retryable=True)

    assert responses.requests == []


async def test_a_cookie_of_a_response_is_not_sent_with_the_next_call() -> None:
    responses = ScriptedResponses(200, set_cookie="session=one; Path=/")
    downstream = build_downstream(responses)
    for _ in range(2):
        await downstream.get_json("things")

    assert responses.values("cookie") == [None, None]


async def test_the_bulkhead_bounds_the_calls_in_flight() -> None:
    in_flight, most = 0, 0

    async def answer(_request: httpx.Request) -> httpx.Response:
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        await asyncio.sleep(0.02)
        in_flight -= 1
        return httpx.Response(200, json=1)

    downstream = build_downstream(answer, max_concurrent=2, queue_timeout_seconds=60)
    await asyncio.gather(*(downstream.get_json("things") for _ in range(6)))

    assert most == 2
    assert (downstream.bulkhead.in_use, downstream.bulkhead.queued) == (0, 0)


async def test_a_call_carries_the_trace_the_request_id_the_attempt_and_the_remaining_time() -> None:
    responses = ScriptedResponses(200)
    downstream = build_downstream(
        responses, authorization=SecretStr("Bearer canary"), headers='{"X-Api-Key": "canary-2"}'
    )
    trace = "0af7651916cd43dd8448eb211c80319c"

    async def call(_scope: object, _receive: object, _send: object) -> None:
        await downstream.get_json("things")

    sent = [
        (b"x-request-id", b"caller-0001"),
        (b"tracestate", b"vendor=1"),
        (b"traceparent", f"00-{trace}-b7ad6b7169203331-01".encode()),
        (b"tracestate", b"other=2"),
    ]
    await RequestId(call, TrustedCallers("*"))({"type": "http", "headers": sent}, None, None)  # type: ignore[arg-type] # `receive` and `send` are unused

    (request,) = responses.requests
    version, number, span, flags = request.headers["traceparent"].split("-")
    assert (version, number, flags, len(span)) == ("00", trace, "01", 16)
    assert span != "b7ad6b7169203331"
    assert request.headers["tracestate"] == "vendor=1,other=2"
    assert request.headers["x-request-id"] == "caller-0001"
    assert request.headers["x-attempt"] == "1"
    assert 1000 < int(request.headers["x-request-timeout-ms"]) <= 2000
    assert request.headers["authorization"] == "Bearer canary"
    assert request.headers["x-api-key"] == "canary-2"
    assert "canary" not in repr(downstream.settings)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"headers": '{"X-Key:": "1"}'}, "pattern"),
        ({"headers": '{"X-Key": "canary\\r\\nX-Admin: 1"}'}, "one line"),
        ({"headers": "X-Key: canary"}, "JSON"),
        ({"authorization": "Bearer canary\n"}, "one line"),
    ],
)
def test_an_invalid_setting_is_refused_and_its_value_is_not_shown(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as refusal:
        DownstreamSettings.model_validate({"base_url": "http://downstream.invalid"} | changes)

    assert "canary" not in str(refusal.value)


async def test_a_response_that_is_too_large_is_not_read_to_its_end() -> None:
    pieces = 0

    async def endless() -> object:
        nonlocal pieces
        for _ in range(1000):
            pieces += 1
            yield b"x" * 1000

    downstream = build_downstream(lambda _request: httpx.Response(200, content=endless()), max_bytes=10_000)  # type: ignore[arg-type] # an iterator of bytes

    with pytest.raises(DownstreamBadResponse, match="larger than 10,000 bytes"):
        await downstream.get_json("things")
    assert pieces == 11


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        ({"content-type": "application/json"}, b"{not json"),
        ({"content-type": "application/json"}, b"[" * 100_000),
        ({"content-type": "text/html"}, b"1"),
        ({}, b"1"),
        ({"content-type": "application/json", "content-encoding": "gzip"}, gzip.compress(b"1", mtime=0)),
    ],
)
async def test_a_response_that_is_not_plain_json_is_an_error(headers: dict[str, str], content: bytes) -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers=headers, stream=httpx.ByteStream(content))

    with pytest.raises(DownstreamBadResponse):
        await build_downstream(answer).get_json("things")


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, DownstreamNotFound), (400, DownstreamRejected), (409, DownstreamRejected), (302, DownstreamBadResponse)],
)
async def test_an_error_status_is_an_error_of_its_class_and_is_not_retried(
    status: int, error: type[DownstreamError]
) -> None:
    responses = ScriptedResponses(status)
    with pytest.raises(error) as caught:
        await build_downstream(responses).get_json("things")

    assert len(responses.requests) == 1
    assert getattr(caught.value, "answered", status) == status


async def test_a_body_is_sent_and_an_empty_response_is_none() -> None:
    seen: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.content)
        return httpx.Response(204)

    assert await build_downstream(answer).send_json("PUT", "things", "7", body={"name": "Ada"}) is None
    assert seen == [b'{"name": "Ada"}']
