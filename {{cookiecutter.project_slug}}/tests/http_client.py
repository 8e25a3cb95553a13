"""The HTTP client library of the service and the tests, and the function that builds the app with fake services."""

# {% if cookiecutter.http_client == "none" %}import httpx{{ "\n\nfrom app.main import create_app as build_app\n" }}
# {% else %}
from app.downstreams.client import httpx
from tests.fakes import build_app, fakes  # noqa: F401 - a fixture, imported by the conftest

# {% endif %}
__all__ = ["build_app", "httpx", "token"]


def token(_app: object) -> httpx.Auth | None:
    """Return None: in a service without authentication, the test client sends no access token."""
    return None
