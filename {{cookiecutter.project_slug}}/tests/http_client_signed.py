"""The HTTP client library of the tests, an access token, and the function that builds the app with fake services."""

from fastapi import FastAPI

from app.downstreams.client import httpx
from tests.fakes import FAKES, build_app, fakes  # noqa: F401 - a fixture, imported by the conftest
from tests.tokens import Bearer, answer_keys

__all__ = ["build_app", "httpx", "token"]


def token(app: FastAPI) -> httpx.Auth | None:
    """Return the authentication that adds an access token to each request; a fake issuer provides the key."""
    if not hasattr(app.state, "resources"):
        return None
    FAKES["issuer"] = answer_keys
    return Bearer()
