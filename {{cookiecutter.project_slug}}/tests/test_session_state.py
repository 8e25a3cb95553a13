"""A test fails when a route leaves session state, such as a SET, on a pooled connection."""

import pytest
from fastapi import FastAPI
from sqlalchemy import func, literal, select

from app.resources import Resources
from tests.conftest import client_of
from tests.failing_routes import router
from tests.session_state import StateLeft


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("SELECT set_config('app.tenant', '7', false)", "the setting app.tenant"),
        ('SET "app"."tenant" = 7', "the setting app.tenant"),
        ("SET work_mem = '8MB'", "the setting work_mem"),
        ("SET default_transaction_read_only = off", "the setting default_transaction_read_only"),
        ("SET ROLE pg_monitor", "the role pg_monitor"),
        ("SET SESSION AUTHORIZATION pg_monitor", "the user pg_monitor"),
        ("SELECT pg_advisory_lock(7)", "an advisory lock"),
        ("LISTEN changes", "LISTEN changes"),
        ("DECLARE kept CURSOR WITH HOLD FOR SELECT 1", "the cursor kept"),
        ("PREPARE kept AS SELECT 1", "the prepared statement kept"),
        ("CREATE TEMPORARY TABLE scratch ()", "the temporary table scratch"),
        ("CREATE TEMPORARY VIEW scratch AS SELECT 1", "the temporary view scratch"),
        ("CREATE TEMPORARY SEQUENCE scratch", "the temporary sequence scratch"),
        ("CREATE FUNCTION pg_temp.one() RETURNS int LANGUAGE sql RETURN 1", "the temporary function one"),
        ("CREATE TYPE pg_temp.mood AS ENUM ()", "the temporary type mood"),
    ],
)
async def test_state_of_the_session_that_stays_behind_is_found(
    committed_app: FastAPI, statement: str, found: str
) -> None:
    committed_app.include_router(router)
    with pytest.raises(StateLeft, match=f"with {found}, for"):
        async with client_of(committed_app) as client:
            await client.get("/sql", params={"statement": statement})


async def test_a_setting_whose_name_is_a_value_of_the_statement_is_found(committed_app: FastAPI) -> None:
    resources: Resources = committed_app.state.resources
    with pytest.raises(StateLeft, match=r"with the setting app\.tenant, for"):
        async with client_of(committed_app), resources.write_sessions.begin() as session:
            await session.execute(select(func.set_config("app.tenant", "7", literal(value=False))))


@pytest.mark.parametrize("statement", ["SELECT set_config('app.tenant', '7', true)", "SELECT pg_advisory_xact_lock(7)"])
async def test_state_of_the_transaction_may_be_used(committed_app: FastAPI, statement: str) -> None:
    committed_app.include_router(router)
    async with client_of(committed_app) as client:
        answer = await client.get("/sql", params={"statement": statement})

    assert answer.status_code == 200
