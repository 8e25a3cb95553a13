"""Only those PostgreSQL errors that a client can cause become a 4xx response, and each bug is logged."""

from collections.abc import AsyncGenerator

import pytest
from fastapi import FastAPI

from app.main import create_app
from app.web import catch_all
from tests.captured_log import captured_log
from tests.conftest import client_of
from tests.databases import make_settings
from tests.failing_routes import router
from tests.http_client import httpx


@pytest.fixture
async def http(shared_url: str) -> AsyncGenerator[httpx.AsyncClient]:
    """An HTTP client of the service with the route `/sql`, which runs the request's SQL."""
    app: FastAPI = create_app(make_settings(shared_url))
    app.include_router(router)
    async with app.router.lifespan_context(app), client_of(app, raises_bugs=False) as client:
        yield client


@pytest.mark.parametrize(
    ("states", "status"),
    [
        (("23503", "23505", "23P01"), 409),
        (("22001", "22003", "22008", "22021", "22P05"), 422),
        (("22012", "22P02", "23502", "23514", "42883", "42P01", "55006", "P0001", "XX000"), 500),
        (("40001", "40P01", "53300", "55P03", "57014"), 503),
    ],
)
async def test_only_an_error_that_a_client_can_cause_is_a_4xx(
    http: httpx.AsyncClient, states: tuple[str, ...], status: int
) -> None:
    """PostgreSQL raises each SQLSTATE in turn; a missing value or a violated CHECK is a bug of the service."""
    raising = {state: f"DO $$ BEGIN RAISE SQLSTATE '{state}'; END $$" for state in states}
    found = {state: (await http.get("/sql", params={"statement": sql})).status_code for state, sql in raising.items()}

    assert found == dict.fromkeys(states, status)


async def test_the_log_has_the_traceback_of_a_database_error_that_is_a_bug(http: httpx.AsyncClient) -> None:
    with captured_log(catch_all) as lines:
        answer = await http.get("/sql?statement=SELECT 1/0")

    assert answer.status_code == 500
    assert [(line["event"], line["exc_info"]) for line in lines] == [
        ("request failed on an unexpected exception", True)
    ]


async def test_a_number_beyond_its_type_is_422_although_the_driver_refuses_it(http: httpx.AsyncClient) -> None:
    answers = [await http.get(f"/numbers/{number}") for number in (7, 99_999_999_999)]

    assert [answer.status_code for answer in answers] == [200, 422]
