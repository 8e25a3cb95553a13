"""The HTTP client of the tests, which is that of the service, and the app with fakes for what the client calls."""

# {% if cookiecutter.http_client == "none" %}import httpx{{ "\n\nfrom app.main import create_app as build_app\n" }}
# {% else %}
from app.downstreams.client import httpx
from tests.fakes import build_app, fakes  # noqa: F401 - a fixture, for the conftest

# {% endif %}
__all__ = ["build_app", "httpx"]
