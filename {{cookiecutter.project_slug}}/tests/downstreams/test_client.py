"""What goes out and what comes in: paths, headers, sizes."""

import asyncio
import gzip

import pytest
from pydantic import SecretStr, ValidationError

from app.downstreams.client import Call, httpx
from app.downstreams.settings import DownstreamSettings
from app.errors import DownstreamBadResponse, DownstreamError, DownstreamNotFound, DownstreamRejected
from app.middleware.request_id import RequestId
from tests.downstreams.neighbours import Script, neighbour


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
async def test_a_part_of_the_path_cannot_leave_its_place(part: str, encoded: str) -> None:
    script = Script(200)

    await neighbour(script).get_json("things", part)

    assert [request.url.raw_path.decode() for request in script.requests] == [f"/api/things/{encoded}"]
    assert [request.url.host for request in script.requests] == ["neighbour.invalid"]


@pytest.mark.parametrize("part", ["", ".", "..", "..;", ";x"])
async def test_a_part_that_would_climb_is_refused(part: str) -> None:
    with pytest.raises(ValueError, match="cannot be a part of a path"):
        await neighbour(Script(200)).get_json("things", part)


async def test_a_call_cannot_name_another_host() -> None:
    script = Script(200)
    with pytest.raises(ValueError, match="no address of its own"):
        await neighbour(script).call(Call("GET", "http://evil.invalid/x"), repeatable=True)

    assert script.requests == []


async def test_a_cookie_of_one_call_does_not_go_with_the_next() -> None:
    script = Script(200, set_cookie="session=one; Path=/")
    one = neighbour(script)
    for _ in range(2):
        await one.get_json("things")

    assert script.all("cookie") == [None, None]


async def test_no_more_calls_are_in_flight_than_the_gate_allows() -> None:
    flying, most = 0, 0

    async def answer(_request: httpx.Request) -> httpx.Response:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        await asyncio.sleep(0.02)
        flying -= 1
        return httpx.Response(200, json=1)

    one = neighbour(answer, concurrency=2)
    await asyncio.gather(*(one.get_json("things") for _ in range(6)))

    assert most == 2
    assert (one.gate.in_use, one.gate.waiting) == (0, 0)


async def test_a_call_tells_who_asks_in_which_trace_how_often_and_for_how_long() -> None:
    script = Script(200)
    one = neighbour(script, authorization=SecretStr("Bearer canary"), headers='{"X-Api-Key": "canary-2"}')
    trace = "0af7651916cd43dd8448eb211c80319c"

    async def call(_scope: object, _receive: object, _send: object) -> None:
        await one.get_json("things")

    sent = [
        (b"x-request-id", b"caller-0001"),
        (b"tracestate", b"vendor=1"),
        (b"traceparent", f"00-{trace}-b7ad6b7169203331-01".encode()),
        (b"tracestate", b"other=2"),
    ]
    await RequestId(call)({"type": "http", "headers": sent}, None, None)  # type: ignore[arg-type] # it uses neither

    (request,) = script.requests
    version, number, span, flags = request.headers["traceparent"].split("-")
    assert (version, number, flags, len(span)) == ("00", trace, "01", 16)
    assert span != "b7ad6b7169203331"
    assert request.headers["tracestate"] == "vendor=1,other=2"
    assert request.headers["x-request-id"] == "caller-0001"
    assert request.headers["x-attempt"] == "1"
    assert 1000 < int(request.headers["x-request-timeout-ms"]) <= 2000
    assert request.headers["authorization"] == "Bearer canary"
    assert request.headers["x-api-key"] == "canary-2"
    assert "canary" not in repr(one.settings)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"headers": '{"X-Key:": "1"}'}, "pattern"),
        ({"headers": '{"X-Key": "canary\\r\\nX-Admin: 1"}'}, "one line"),
        ({"headers": "X-Key: canary"}, "JSON"),
        ({"authorization": "Bearer canary\n"}, "one line"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_without_being_shown(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as refusal:
        DownstreamSettings.model_validate({"base_url": "http://neighbour.invalid"} | changes)

    assert "canary" not in str(refusal.value)


async def test_an_answer_that_is_too_large_is_not_read_to_its_end() -> None:
    pieces = 0

    async def endless() -> object:
        nonlocal pieces
        for _ in range(1000):
            pieces += 1
            yield b"x" * 1000

    one = neighbour(lambda _request: httpx.Response(200, content=endless()), max_bytes=10_000)  # type: ignore[arg-type] # an iterator of bytes

    with pytest.raises(DownstreamBadResponse, match="larger than 10,000 bytes"):
        await one.get_json("things")
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
async def test_an_answer_of_no_use_is_an_error(headers: dict[str, str], content: bytes) -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers=headers, stream=httpx.ByteStream(content))

    with pytest.raises(DownstreamBadResponse):
        await neighbour(answer).get_json("things")


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, DownstreamNotFound), (400, DownstreamRejected), (409, DownstreamRejected), (302, DownstreamBadResponse)],
)
async def test_a_status_says_whose_fault_it_is(status: int, error: type[DownstreamError]) -> None:
    script = Script(status)
    with pytest.raises(error) as caught:
        await neighbour(script).get_json("things")

    assert len(script.requests) == 1
    assert getattr(caught.value, "answered", status) == status


async def test_a_body_is_sent_and_an_empty_answer_is_none() -> None:
    seen: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.content)
        return httpx.Response(204)

    assert await neighbour(answer).send_json("PUT", "things", "7", body={"name": "Ada"}) is None
    assert seen == [b'{"name": "Ada"}']
