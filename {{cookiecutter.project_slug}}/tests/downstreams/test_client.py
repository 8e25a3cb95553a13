"""One downstream: its path, its bound, its errors."""

import asyncio

import pytest
from pydantic import HttpUrl

from app.downstreams.client import Downstream, build_client, httpx
from app.settings import DownstreamSettings

SETTINGS = DownstreamSettings(base_url=HttpUrl("http://neighbour.invalid/api"), concurrency=2)


def downstream(transport: httpx.AsyncBaseTransport) -> Downstream:
    client = build_client(SETTINGS, transport)
    return Downstream("neighbour", client, asyncio.Semaphore(SETTINGS.concurrency), SETTINGS.total_seconds)


@pytest.mark.parametrize(
    ("part", "encoded"),
    [
        ("a/b", "a%2Fb"),
        ("../admin", "..%2Fadmin"),
        ("x?admin=1", "x%3Fadmin%3D1"),
        ("x#y", "x%23y"),
        ("%2e%2e", "%252e%252e"),
        ("@evil.invalid", "%40evil.invalid"),
        ("line\nbreak", "line%0Abreak"),
        ("ß", "%C3%9F"),
        ("//evil.invalid", "%2F%2Fevil.invalid"),
    ],
)
async def test_a_part_of_the_path_cannot_leave_its_place(part: str, encoded: str) -> None:
    seen: list[httpx.URL] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url)
        return httpx.Response(200, json=1)

    await downstream(httpx.MockTransport(answer)).get_json("things", part)

    assert [url.raw_path.decode() for url in seen] == [f"/api/things/{encoded}"]
    assert [url.host for url in seen] == ["neighbour.invalid"]


@pytest.mark.parametrize("part", ["", ".", ".."])
async def test_a_part_that_would_climb_is_refused(part: str) -> None:
    with pytest.raises(ValueError, match="cannot be a part of a path"):
        await downstream(httpx.MockTransport(lambda _request: httpx.Response(200))).get_json("things", part)


async def test_no_more_calls_are_in_flight_than_the_semaphore_allows() -> None:
    flying, most = 0, 0

    async def answer(_request: httpx.Request) -> httpx.Response:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        await asyncio.sleep(0.02)
        flying -= 1
        return httpx.Response(200, json=1)

    neighbour = downstream(httpx.MockTransport(answer))
    await asyncio.gather(*(neighbour.get_json("things") for _ in range(6)))

    assert most == 2
    assert not neighbour.semaphore.locked()
