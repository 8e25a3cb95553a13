"""The service of `slow_app.py` whose requests have a principal with every scope: tokens have tests of their own."""

from slow_app import app  # type: ignore[import-not-found] # on the path; `import tests` would clear the settings

from app.request.authenticated import ACCESS_TOKEN, Principal, get_principal


async def ada() -> Principal:
    """Return the principal."""
    return Principal("ada", "tests", frozenset(ACCESS_TOKEN.scopes))


app.dependency_overrides[get_principal] = ada
