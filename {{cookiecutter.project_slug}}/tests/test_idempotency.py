"""A write with an Idempotency-Key happens once, however often its request comes."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from fastapi import APIRouter, FastAPI, Response
from pydantic import BaseModel
from sqlalchemy import text

from app.database import transactional
from app.dependencies import OnceDep, WriteSession
from app.downstreams.client import httpx
from app.lifespan import Resources
from app.main import create_app
from tests.conftest import client_of
from tests.databases import make_settings

router = APIRouter()
ADD = text("INSERT INTO scratch_deeds (name) VALUES (:name) RETURNING id")


class Deed(BaseModel):
    """What is done."""

    name: str
    seconds: float = 0
    fails: bool = False


class Done(BaseModel):
    """What was done."""

    id: int
    name: str


@router.post("/deeds", status_code=201, response_model=Done)
@router.post("/others", status_code=201, response_model=Done)
async def act(deed: Deed, session: WriteSession, once: OnceDep) -> Response:
    if (answered := await once.answered(session)) is not None:
        return answered
    done = Done(id=await session.scalar(ADD, {"name": deed.name}), name=deed.name)
    await asyncio.sleep(deed.seconds)
    if deed.fails:
        raise RuntimeError("the handler is broken")
    return await once.answer(session, done, status=201, headers={"location": f"/deeds/{done.id}"})


@pytest.fixture
async def app(committed_url: str) -> AsyncGenerator[FastAPI]:
    """The app with a route that writes."""
    app = create_app(make_settings(committed_url, database_pool_limit=5))
    app.include_router(router)
    async with app.router.lifespan_context(app):
        await run(app, "CREATE TABLE scratch_deeds (id int GENERATED ALWAYS AS IDENTITY, name text)")
        yield app


@pytest.fixture
async def client(app: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of it."""
    async with client_of(app) as http:
        yield http


async def run(app: FastAPI, statement: str) -> None:
    resources: Resources = app.state.resources
    async with transactional(resources.engine).begin() as connection:
        await connection.execute(text(statement))


async def deeds(app: FastAPI) -> int:
    resources: Resources = app.state.resources
    return await resources.reader.scalar(text("SELECT count(*) FROM scratch_deeds")) or 0


async def ask(client: httpx.AsyncClient, key: str | None, path: str = "/deeds", **deed: object) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await client.post(path, json={"name": "a"} | deed, headers=headers)


async def test_the_same_request_gets_the_same_answer_and_is_done_once(app: FastAPI, client: httpx.AsyncClient) -> None:
    first, second = await ask(client, "k-1"), await ask(client, "k-1")

    assert (first.status_code, first.json()) == (second.status_code, second.json()) == (201, {"id": 1, "name": "a"})
    assert first.content == second.content
    assert first.headers["location"] == second.headers["location"]
    assert first.headers["content-type"] == second.headers["content-type"]
    assert ("idempotency-replayed" in first.headers, second.headers["idempotency-replayed"]) == (False, "true")
    assert await deeds(app) == 1


async def test_another_request_with_the_key_is_refused(app: FastAPI, client: httpx.AsyncClient) -> None:
    await ask(client, "k-1")
    other = await ask(client, "k-1", name="b")

    assert (other.status_code, other.headers["content-type"]) == (422, "application/problem+json")
    assert "used for another request" in other.json()["detail"]
    assert await deeds(app) == 1


async def test_the_key_counts_for_its_method_and_path_only(app: FastAPI, client: httpx.AsyncClient) -> None:
    answers = [await ask(client, "k-1"), await ask(client, "k-1", path="/others"), await ask(client, "k-2")]

    assert [answer.json()["id"] for answer in answers] == [1, 2, 3]
    assert await deeds(app) == 3


async def test_without_a_key_a_request_is_an_ordinary_one(client: httpx.AsyncClient) -> None:
    assert [(await ask(client, None)).json()["id"] for _ in range(2)] == [1, 2]


async def test_of_many_at_once_one_is_done_and_the_others_are_told_so(app: FastAPI, client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(ask(client, "k-1", seconds=0.3) for _ in range(5)))
    later = await ask(client, "k-1", seconds=0.3)

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    assert later.json() == {"id": 1, "name": "a"}
    assert await deeds(app) == 1


async def test_what_failed_may_be_tried_again(app: FastAPI, client: httpx.AsyncClient) -> None:
    answers = [await ask(client, "k-1", fails=True), await ask(client, "k-1")]

    assert [answer.status_code for answer in answers] == [500, 201]
    assert await deeds(app) == 1


async def test_an_answer_is_kept_for_its_time_and_then_swept(app: FastAPI, client: httpx.AsyncClient) -> None:
    for key in ("k-1", "k-2"):
        await ask(client, key)
    await run(app, "UPDATE idempotency_keys SET expires_at = now() - interval '1 second'")
    again = await ask(client, "k-1")

    resources: Resources = app.state.resources
    assert again.json()["id"] == 3
    assert await resources.reader.scalar(text("SELECT count(*) FROM idempotency_keys")) == 1


@pytest.mark.parametrize("key", ["", "two words", "k" * 256, "\xff"])
async def test_a_malformed_key_is_refused(client: httpx.AsyncClient, key: str) -> None:
    answer = await client.post("/deeds", json={"name": "a"}, headers={b"Idempotency-Key": key.encode("latin-1")})

    assert answer.status_code == 422
