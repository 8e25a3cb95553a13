"""Background work that outlives a request keeps the request id, but no deadline, quota or database connections."""

from collections.abc import Generator

import pytest

from app.request import deadline
from app.request.detached import detached
from app.request.held_connections import note_checkout, refuse_second_connection
from app.request.identity import request_id
from app.request.slot import BACKGROUND, connection_quota


@pytest.fixture
def request_context() -> Generator[None]:
    """The context of a request that holds a database connection."""
    tokens = request_id.set("caller-0001"), connection_quota.set("others"), deadline.begin(deadline.Expiry(1.0))
    held = note_checkout()
    yield
    held.returned = True
    request_id.reset(tokens[0])
    connection_quota.reset(tokens[1])
    deadline.end(tokens[2])


@pytest.mark.usefixtures("request_context")
def test_detached_work_keeps_the_request_id_without_deadline_quota_and_held_connections() -> None:
    context = detached()

    assert context.run(request_id.get) == "caller-0001"
    assert context.run(deadline.expires_at) is None
    assert context.run(connection_quota.get) == BACKGROUND
    context.run(refuse_second_connection)  # would raise ConnectionHeld if the context recorded a database connection
