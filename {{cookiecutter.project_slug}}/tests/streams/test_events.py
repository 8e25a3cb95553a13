"""Server-sent events tell each change up to an object's final state; the last event says why the stream ended."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from fastapi.sse import ServerSentEvent

from app.errors import Unavailable
from app.streams.honest import Reconnect, honest
from tests.http_client import httpx
from tests.streams.conftest import Serve
from tests.streams.counters import Writer
from tests.streams.reading import Seen, path_of, streaming


async def test_a_stream_of_one_object_ends_with_complete_after_the_final_state(serve: Serve, writer: Writer) -> None:
    counter = await writer.add(total=2)
    async with serve() as url, streaming(url, path_of(counter)) as stream, aclosing(aiter(stream)) as events:
        seen = [await anext(events)]
        for _ in range(2):
            await writer.count(counter)
            seen.append(await anext(events))
        seen += [event async for event in events]

    assert [(event.name, event.data.get("value")) for event in seen] == [
        ("counters", 0),
        ("counters", 1),
        ("counters", 2),
        ("complete", None),
    ]


async def test_a_client_that_comes_back_gets_only_what_it_lacks(serve: Serve, writer: Writer) -> None:
    counter = await writer.add(total=2)
    number = await writer.count(counter)
    async with serve() as url:
        async with streaming(url, path_of(counter), last_event_id=str(number)) as stream:
            last = await writer.count(counter)
            seen = await stream.rest()
        async with streaming(url, path_of(counter), last_event_id=str(last)) as stream:
            nothing_new = await stream.rest()

    assert [(event.name, event.id) for event in seen] == [("counters", str(last)), ("complete", None)]
    assert [event.name for event in nothing_new] == ["complete"]


async def test_a_stream_of_all_objects_begins_with_resync_and_has_no_foreign_object(
    serve: Serve, writer: Writer
) -> None:
    counter = await writer.add()
    async with serve() as url, streaming(url, "/api/v1/events") as stream, aclosing(aiter(stream)) as events:
        first = await anext(events)
        async with streaming(url, path_of(counter)) as other, aclosing(aiter(other)) as others:
            await writer.count(counter)  # a poll finds this change if LISTEN has not begun
            while (await anext(others)).data.get("value") != 1:
                pass
        await writer.add(owner="a stranger")
        own = await writer.add()
        seen = [await anext(events)]
        while seen[-1].data.get("id") != own:
            seen.append(await anext(events))

    assert first == Seen("resync", {})
    assert {event.data.get("id") for event in seen} <= {counter, own, None}


@pytest.mark.parametrize("wanted", ["foreign", "b7a66da0-49f4-44bb-b1ef-36b80b2a14e1", "malformed"])
async def test_a_refusal_comes_before_the_first_event_as_a_status(serve: Serve, writer: Writer, wanted: str) -> None:
    foreign = await writer.add(owner="a stranger")
    async with serve() as url, httpx.AsyncClient(base_url=url) as client:
        answer = await client.get(path_of(foreign if wanted == "foreign" else wanted))

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_one_client_may_have_a_bounded_number_of_streams(serve: Serve, writer: Writer) -> None:
    counter = await writer.add()
    async with (
        serve(streams={"max_per_client": 1}) as url,
        httpx.AsyncClient(base_url=url) as client,
        streaming(url, path_of(counter)),
    ):
        refused = await client.get(path_of(counter))

    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")


@pytest.mark.parametrize(("environment", "status"), [("development", 200), ("production", 404)])
async def test_the_page_is_for_development_only(serve: Serve, environment: str, status: int) -> None:
    async with serve(environment=environment, api_docs=False) as url, httpx.AsyncClient(base_url=url) as client:
        answer = await client.get("/dev/jobs")

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("failure", "last"),
    [
        (None, ServerSentEvent(event="complete", data={})),
        (Unavailable("Away."), ServerSentEvent(event="error", data={"code": "unavailable", "detail": "Away."})),
        (Reconnect("max_age", 5), ServerSentEvent(event="reconnect", data={"code": "max_age"}, retry=5)),
    ],
)
async def test_the_last_event_says_how_the_stream_ended(failure: Exception | None, last: ServerSentEvent) -> None:
    async def events() -> AsyncGenerator[ServerSentEvent]:
        yield ServerSentEvent(data=1)
        if failure:
            raise failure

    assert [event async for event in honest(events())][1:] == [last]
