"""A client's forged proxy headers, hosts, paths and origins change no response of the service."""

import json
import sys
from collections.abc import Iterator

import pytest

from tests.server.processes import Service, gunicorn, serving
from tests.smoke.raw_http import asked, head

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

FORGED = ("X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https", "Forwarded: for=203.0.113.7;proto=https")


@pytest.fixture(scope="module")
def service(server_url: str, template: str) -> Iterator[Service]:
    """A service that trusts only the proxy 203.0.113.1, so that the tests are an untrusted client."""
    arguments = ("--pythonpath=tests/smoke", "slow_app:app")
    variables = {"WEB_CONCURRENCY": "1", "LOG_LEVEL": "error", "FORWARDED_ALLOW_IPS": "203.0.113.1"}
    with serving(server_url, template, *arguments, **variables) as running:
        yield running


async def test_forwarded_headers_of_a_stranger_are_ignored(service: Service) -> None:
    answer = await asked(service.url, [head("GET", "/caller", *FORGED)])

    assert json.loads(answer.body) == ["127.0.0.1", "http"]


async def test_forwarded_headers_of_the_proxy_are_trusted(committed_url: str) -> None:
    """A trusted proxy's headers do set a client's address and scheme: the service reads FORWARDED_ALLOW_IPS."""
    variables = {"WEB_CONCURRENCY": "1", "LOG_LEVEL": "error", "FORWARDED_ALLOW_IPS": "127.0.0.1"}
    with gunicorn(committed_url, "--pythonpath=tests/smoke", "slow_app:app", **variables) as running:
        running.wait_until_serving()
        answer = await asked(running.url, [head("GET", "/caller", *FORGED)])

    assert json.loads(answer.body) == ["203.0.113.7", "https"]


@pytest.mark.parametrize("path", ["/caller", "/caller/", "/nowhere"])
async def test_a_forged_host_changes_no_response(service: Service, path: str) -> None:
    answer = await asked(service.url, [head("GET", path).replace(b"Host: service", b"Host: evil.invalid")])

    assert answer.status == (200 if path == "/caller" else 404)
    assert "location" not in answer.headers
    assert b"evil" not in answer.body


@pytest.mark.parametrize(
    "path", ["//evil.invalid/caller", "/x/../caller", "/%2e%2e/caller", "/caller/%00", "/caller;x"]
)
async def test_a_path_in_disguise_is_not_found(service: Service, path: str) -> None:
    answer = await asked(service.url, [head("GET", path)])

    assert (answer.status, answer.problem["code"]) == (404, "not_found")


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_a_foreign_origin_gets_no_cors_headers(service: Service, method: str) -> None:
    answer = await asked(
        service.url,
        [head(method, "/caller", "Origin: https://evil.invalid", "Access-Control-Request-Method: GET")],
    )

    assert [name for name in answer.headers if name.startswith("access-control")] == []
