"""Tests of the statements of requests: their number, a query in a loop, and relationships that never load lazily."""

import pytest
from fastapi import APIRouter, FastAPI
from sqlalchemy import bindparam, select

from app.database.base import Base
from app.dependencies import ReadSession
from app.idempotency.models import IdempotencyKey
from tests.conftest import client_of
from tests.statements import WrongStatements, statements

FIND = select(IdempotencyKey.key).where(IdempotencyKey.key == bindparam("key"))
router = APIRouter()


@router.get("/looped/{count}")
async def looped(count: int, session: ReadSession) -> int:
    """Send the same statement for each of `count` rows: the mistake that the guard of the tests finds."""
    for number in range(count):
        await session.scalar(FIND, {"key": b"%d" % number})
    return count


@pytest.fixture
def app_with_loop(committed_app: FastAPI) -> FastAPI:
    """The service with a route that sends a statement for each row."""
    committed_app.include_router(router)
    return committed_app


async def test_a_statement_for_each_row_fails_the_test_that_asks_for_it(app_with_loop: FastAPI) -> None:
    with pytest.raises(WrongStatements, match=r"(?s)5 times in one request.+SELECT idempotency_keys\.key"):
        async with client_of(app_with_loop) as client:
            await client.get("/looped/5")


async def test_statements_of_different_requests_are_not_counted_together(app_with_loop: FastAPI) -> None:
    async with client_of(app_with_loop) as client:
        for _ in range(5):
            await client.get("/looped/1")


async def test_a_block_with_more_statements_than_it_says_fails(app_with_loop: FastAPI) -> None:
    async with client_of(app_with_loop) as client:
        with pytest.raises(WrongStatements, match="2 statements in place of 1"), statements(1):
            await client.get("/looped/2")


async def test_the_statements_and_milliseconds_of_a_request_are_in_its_response(app_with_loop: FastAPI) -> None:
    async with client_of(app_with_loop) as client:
        timing = (await client.get("/looped/2")).headers["server-timing"]

    names = [part.split(";")[0].strip() for part in timing.split(",")]
    assert names == ["db", "wait", "downstream", "app", "statements"]
    assert 'statements;desc="2"' in timing


def test_no_relationship_loads_lazily() -> None:
    """With `lazy="raise"` a statement has to say which rows it needs: `selectinload`, `joinedload` or a join."""
    lazy = [
        f"{mapper.class_.__name__}.{relationship.key}: write relationship(..., lazy='raise')"
        for mapper in Base.registry.mappers
        for relationship in mapper.relationships
        if relationship.lazy not in {"raise", "raise_on_sql", "write_only", "noload"}
    ]

    assert not lazy, "\n".join(lazy)
