"""The statement budget of tests: one statement per row fails a test, and no relationship loads lazily."""

import pytest
from fastapi import APIRouter, FastAPI
from sqlalchemy import bindparam, select

from app.database.base import Base
from app.dependencies import ReadSession, WriteSession
from app.idempotency.models import IdempotencyKey
from tests.http_client import httpx
from tests.statements import statements

FIND = select(IdempotencyKey.key).where(IdempotencyKey.key == bindparam("key"))
router = APIRouter()


@router.get("/looped/{count}")
async def read_in_a_loop(count: int, session: ReadSession) -> None:
    """Send the same statement for each of `count` rows."""
    for number in range(count):
        await session.scalar(FIND, {"key": b"%d" % number})


@router.post("/looped/{count}")
async def write_in_a_loop(count: int, session: WriteSession) -> None:
    """Send the same statement for each of `count` rows, in a transaction."""
    for number in range(count):
        await session.scalar(FIND, {"key": b"%d" % number})


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_statement_for_each_row_is_beyond_the_budget(
    committed_app: FastAPI, committed_client: httpx.AsyncClient, method: str
) -> None:
    committed_app.include_router(router)
    with statements(committed_app, 1):
        await committed_client.request(method, "/looped/1")

    with (
        pytest.raises(AssertionError, match=r"(?s)5 statements in place of 1:.+FROM idempotency_keys"),
        statements(committed_app, 1),
    ):
        await committed_client.request(method, "/looped/5")


def test_no_relationship_loads_lazily() -> None:
    """With `lazy="raise"`, a statement must name the related rows it needs: `selectinload`, `joinedload` or a join."""
    lazy = [
        f"{mapper.class_.__name__}.{relationship.key}: write relationship(..., lazy='raise')"
        for mapper in Base.registry.mappers
        for relationship in mapper.relationships
        if relationship.lazy not in {"raise", "raise_on_sql", "write_only", "noload"}
    ]

    assert not lazy, "\n".join(lazy)
