"""ETags: 304 for the client's current version, 412 for an outdated version, 428 without If-Match."""

from collections.abc import AsyncGenerator

import pytest
from fastapi import Depends, FastAPI, Response
from starlette.middleware import Middleware

from app.http_caching.conditional import ConditionalReadDep, ConditionalWriteDep, matches, require_if_match
from app.web.handlers import HANDLERS
from app.web.request_id import RequestId
from app.web.trust import TrustedCallers
from tests.http_client import httpx

PRIVATE = {"etag": '"7"', "cache-control": "private, no-cache", "vary": "Authorization"}


class Thing:
    """A resource with a version, which counts the reads of its version and of its content."""

    def __init__(self) -> None:
        self.version_reads = self.reads = 0

    async def version(self) -> int:
        """Return the current version of the resource, and count how often the version is read."""
        self.version_reads += 1
        return 7


@pytest.fixture
def thing() -> Thing:
    """The versioned resource that the tested routes read and write."""
    return Thing()


@pytest.fixture
async def client(thing: Thing) -> AsyncGenerator[httpx.AsyncClient]:
    """An HTTP client of a small app with routes that read and write a versioned resource."""
    middleware = [Middleware(RequestId, callers=TrustedCallers("127.0.0.1"))]
    app = FastAPI(exception_handlers=HANDLERS, middleware=middleware)

    @app.get("/thing", response_model=str)
    async def read(condition: ConditionalReadDep) -> str | Response:
        if (unchanged := await condition.unchanged(thing.version)) is not None:
            return unchanged
        thing.reads += 1
        condition.tag(7)
        return "the thing"

    @app.put("/thing")
    async def write(condition: ConditionalWriteDep) -> str:
        await condition.check(thing.version)
        return "changed"

    @app.delete("/thing", dependencies=[Depends(require_if_match)])
    async def remove(condition: ConditionalWriteDep) -> str:
        await condition.check(thing.version)
        return "removed"

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service") as client:
        yield client


def shown(answer: httpx.Response) -> dict[str, str]:
    """Return the response headers that caches use."""
    return {name: answer.headers[name] for name in PRIVATE}


async def test_a_read_has_the_etag_of_its_version(client: httpx.AsyncClient, thing: Thing) -> None:
    answer = await client.get("/thing")

    assert (answer.status_code, answer.json(), shown(answer)) == (200, "the thing", PRIVATE)
    assert thing.version_reads == 0


@pytest.mark.parametrize("known", ['"7"', 'W/"7"', '"6", "7"', '"6",W/"7"', "*", '"a,b" , "7"'])
async def test_a_version_that_the_client_has_is_not_sent_and_not_read(
    client: httpx.AsyncClient, thing: Thing, known: str
) -> None:
    answer = await client.get("/thing", headers={"If-None-Match": known})

    assert (answer.status_code, answer.content, shown(answer)) == (304, b"", PRIVATE)
    assert "content-type" not in answer.headers
    assert (thing.version_reads, thing.reads) == (1, 0)


@pytest.mark.parametrize("known", ['"6"', '"6", "8"', "7", '"7', "W/7", "", '"77"', "*, "])
async def test_another_version_is_sent(client: httpx.AsyncClient, known: str) -> None:
    assert (await client.get("/thing", headers={"If-None-Match": known})).status_code == 200


async def test_the_header_may_come_in_several_lines(client: httpx.AsyncClient) -> None:
    lines = [("If-None-Match", '"6"'), ("If-None-Match", '"7"')]

    assert (await client.get("/thing", headers=lines)).status_code == 304


@pytest.mark.parametrize("seen", ['"7"', '"6", "7"', "*"])
async def test_a_write_of_the_version_that_the_client_has_seen_is_done(client: httpx.AsyncClient, seen: str) -> None:
    assert (await client.put("/thing", headers={"If-Match": seen})).status_code == 200


GARBLED = ['w/"7"', 'x"7"y', '"6"7"', 'W/ "7"', '*, "7"', '"7" "6"']


@pytest.mark.parametrize("known", GARBLED)
async def test_a_header_that_is_no_list_of_etags_names_none(client: httpx.AsyncClient, known: str) -> None:
    assert (await client.get("/thing", headers={"If-None-Match": known})).status_code == 200


@pytest.mark.parametrize("seen", ['"6"', 'W/"7"', "7", "", *GARBLED])
async def test_a_write_of_an_older_version_is_refused(client: httpx.AsyncClient, seen: str) -> None:
    answer = await client.put("/thing", headers={"If-Match": seen})

    assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
    assert answer.json()["detail"] == "The object has changed since you read it: read it again."


async def test_a_write_without_the_header_reads_no_version(client: httpx.AsyncClient, thing: Thing) -> None:
    assert (await client.put("/thing")).status_code == 200
    assert thing.version_reads == 0


async def test_a_write_that_needs_the_header_says_so(client: httpx.AsyncClient) -> None:
    answer = await client.delete("/thing")

    assert (answer.status_code, answer.json()["code"]) == (428, "precondition_required")
    assert (await client.delete("/thing", headers={"If-Match": '"7"'})).status_code == 200


async def test_a_response_that_says_nothing_about_caches_is_not_stored(client: httpx.AsyncClient) -> None:
    answers = [await client.put("/thing"), await client.get("/nowhere"), await client.post("/thing")]

    assert [answer.headers["cache-control"] for answer in answers] == ["no-store"] * 3


def test_an_etag_may_have_a_comma_and_no_space() -> None:
    assert matches(['"a", "é,b"'], '"é,b"', weakly=False)
    assert not matches(['"a b"'], '"a b"', weakly=True)
