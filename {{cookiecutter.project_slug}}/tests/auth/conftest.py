"""The scopes of the service are the same before and after each test of access tokens."""

from collections.abc import Generator

import pytest

from app.request.authenticated import ACCESS_TOKEN


@pytest.fixture(autouse=True)
def scopes_of_the_service() -> Generator[None]:
    """Take back the scopes of the test's own routes: `needs` writes each scope into the OpenAPI document."""
    before = dict(ACCESS_TOKEN.scopes)
    yield
    ACCESS_TOKEN.scopes.clear()
    ACCESS_TOKEN.scopes.update(before)
