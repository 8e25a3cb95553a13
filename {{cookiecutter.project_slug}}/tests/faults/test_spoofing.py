"""What a client may say about itself and about the service is not believed."""

import json
import sys
from collections.abc import Iterator

import pytest

from tests.databases import cloned
from tests.faults.raw import asked, head
from tests.server.processes import Service, gunicorn

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

ORDER = json.dumps(
    {"customer": "Ada", "currency": "EUR", "lines": [{"sku": "TEA-1", "quantity": 1, "unit_price": "1.00"}]}
).encode()
FORGED = ("X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https", "Forwarded: for=203.0.113.7;proto=https")


@pytest.fixture(scope="module")
def service(server_url: str, template: str) -> Iterator[Service]:
    """The service behind a proxy that is not us."""
    arguments = ("--pythonpath=tests/faults", "slow:app")
    variables = {"WEB_CONCURRENCY": "1", "LOG_LEVEL": "error", "FORWARDED_ALLOW_IPS": "203.0.113.1"}
    with cloned(server_url, template) as url, gunicorn(url, *arguments, **variables) as running:
        running.wait_until_serving()
        yield running


async def test_forwarded_headers_of_a_stranger_are_ignored(service: Service) -> None:
    answer = await asked(service.url, [head("GET", "/caller", *FORGED)])

    assert json.loads(answer.body) == ["127.0.0.1", "http"]


async def test_forwarded_headers_of_the_proxy_are_believed(committed_url: str) -> None:
    """Or the test above would prove nothing."""
    variables = {"WEB_CONCURRENCY": "1", "LOG_LEVEL": "error", "FORWARDED_ALLOW_IPS": "127.0.0.1"}
    with gunicorn(committed_url, "--pythonpath=tests/faults", "slow:app", **variables) as running:
        running.wait_until_serving()
        answer = await asked(running.url, [head("GET", "/caller", *FORGED)])

    assert json.loads(answer.body) == ["203.0.113.7", "https"]


@pytest.mark.parametrize("path", ["/caller", "/caller/", "/nowhere"])
async def test_the_host_of_a_request_is_believed_by_nobody(service: Service, path: str) -> None:
    answer = await asked(service.url, [head("GET", path).replace(b"Host: service", b"Host: evil.invalid")])

    assert answer.status == (200 if path == "/caller" else 404)
    assert "location" not in answer.headers
    assert b"evil" not in answer.body


# {% if cookiecutter.example == "yes" %}
async def test_the_host_of_a_request_is_in_no_answer(service: Service) -> None:
    forged = head("POST", "/api/v1/orders", "Content-Type: application/json", f"Content-Length: {len(ORDER)}")
    answer = await asked(service.url, [forged.replace(b"Host: service", b"Host: evil.invalid"), ORDER])

    assert (answer.status, answer.headers["location"]) == (201, "/api/v1/orders/1")
    assert b"evil" not in answer.body


# {% endif %}
@pytest.mark.parametrize(
    "path", ["//evil.invalid/caller", "/x/../caller", "/%2e%2e/caller", "/caller/%00", "/caller;x"]
)
async def test_a_path_is_what_it_says_and_nothing_else(service: Service, path: str) -> None:
    answer = await asked(service.url, [head("GET", path)])

    assert (answer.status, answer.problem["title"]) == (404, "Not Found")


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_no_page_of_another_origin_is_let_in(service: Service, method: str) -> None:
    answer = await asked(
        service.url,
        [head(method, "/caller", "Origin: https://evil.invalid", "Access-Control-Request-Method: GET")],
    )

    assert [name for name in answer.headers if name.startswith("access-control")] == []
