"""The service of `slow_app.py`, where each request has a principal with every scope: tokens have separate tests."""

from slow_app import app  # type: ignore[import-not-found] # by --pythonpath: `import tests` clears the settings

from app.request.authenticated import ACCESS_TOKEN, Principal, get_principal


async def ada() -> Principal:
    """Return the principal of every request, which has all scopes."""
    return Principal("ada", "tests", frozenset(ACCESS_TOKEN.scopes))


app.dependency_overrides[get_principal] = ada
