"""A generated service boots under real gunicorn with two workers, from the image's files, on a real PostgreSQL."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.booted import Booted, booted, copied_by_the_image
from tests.programs import environment, must

ORDER = {"customer": "Ada", "lines": [{"sku": "TEA-1", "quantity": 2, "unit_price": "4.50"}]}

Service = Callable[[str], Path]


@pytest.fixture(params=["default", "httpx2"], scope="module")
def app(request: pytest.FixtureRequest, service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    """The booted service, once for each HTTP client."""
    with booted(service(request.param), tmp_path_factory.mktemp("boot")) as running:
        yield running


def test_both_workers_are_up(app: Booted) -> None:
    started = [line for line in log(app) if line["event"] == "application started"]

    assert [line["workers"] for line in started] == [2, 2]


def test_the_probes_answer(app: Booted) -> None:
    assert app.client.get("/health/live").json() == {"status": "ok"}
    assert app.client.get("/health/ready").json() == {"status": "ready", "reasons": []}


def test_an_order_lives_its_life(app: Booted) -> None:
    placed = app.client.post("/api/v1/orders", json=ORDER)
    where = placed.headers["location"]

    assert placed.status_code == 201
    assert app.client.get(where).json() == placed.json()
    assert app.client.patch(where, json={"state": "paid"}).json()["state"] == "paid"
    assert app.client.get(f"{where}/total", params={"currency": "EUR"}).json()["amount"] == "8.28"
    assert app.client.delete(where).status_code == 204
    assert app.client.get(where).status_code == 404


def test_the_dashboard_joins_its_three_sources(app: Booted) -> None:
    app.client.post("/api/v1/orders", json=ORDER)

    dashboard = app.client.get("/api/v1/dashboard")

    assert dashboard.status_code == 200
    assert dashboard.json().keys() == {"orders_by_state", "latest", "usd_to_eur", "missing"}
    assert (dashboard.json()["usd_to_eur"], dashboard.json()["missing"]) == ("0.92", [])


def test_the_description_of_the_api_has_every_route(app: Booted) -> None:
    paths = app.client.get("/openapi.json").json()["paths"]

    assert {"/health/live", "/health/ready", "/api/v1/orders", "/api/v1/orders/{order_id}"} <= paths.keys()


def test_the_image_has_no_swagger_ui_and_its_docs_say_so(app: Booted) -> None:
    page = app.client.get("/docs")

    assert page.status_code == 200
    assert "<code>fastapi-offline</code>" in page.text
    assert app.client.get("/docs/files/swagger-ui.css").status_code == 404


def test_an_error_is_a_problem_document_with_the_id_of_its_request(app: Booted) -> None:
    answer = app.client.get("/nowhere", headers={"x-request-id": "boot-test-0001"})

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == "boot-test-0001"
    assert answer.json()["request_id"] == "boot-test-0001"


def test_the_health_check_of_compose_asks_no_proxy(app: Booted, service: Service, tmp_path: Path) -> None:
    """The health check of compose.yaml asks the service directly, not through HTTP_PROXY.

    Docker passes HTTP_PROXY to its containers, but the proxy cannot reach a container's own 127.0.0.1.
    """
    check = yaml.safe_load((service("default") / "compose.yaml").read_text())["services"]["service"]["healthcheck"]
    program, *arguments = [part.replace("8000", str(app.client.base_url.port)) for part in check["test"][1:]]

    must([sys.executable, *arguments], tmp_path, env=environment({"HTTP_PROXY": "http://127.0.0.1:1"}))
    assert program == "python"


def test_sigterm_ends_both_workers_in_order(app: Booted) -> None:
    """SIGTERM ends both workers in an orderly way.

    This test ends the booted service, so it is the last test for each service.
    """
    children = [process for process in app.gunicorn.with_children()[1:] if process.is_running()]
    workers = [process for process in children if "app.observability.exporter" not in " ".join(process.cmdline())]

    code = app.gunicorn.stop()

    assert code == 0
    assert len(workers) == 2
    assert [process for process in workers if process.is_running()] == []
    assert [line["event"] for line in log(app)].count("application stopped") == 2


def log(app: Booted) -> list[dict[str, object]]:
    """Return the lines of the service's log: every line must be JSON, also a line of gunicorn or of a library."""
    return [json.loads(line) for line in app.gunicorn.output().splitlines()]


def test_the_image_holds_no_development_files(service: Service) -> None:
    copied = copied_by_the_image((service("default") / "Dockerfile").read_text())

    assert copied == ["pyproject.toml", "gunicorn.conf.py", "migrations", "app"]


def test_the_build_sees_only_what_the_dockerfile_copies(service: Service) -> None:
    folder = service("default")
    allowed = [line[1:] for line in (folder / ".dockerignore").read_text().splitlines() if line.startswith("!")]

    assert sorted(allowed) == sorted([*copied_by_the_image((folder / "Dockerfile").read_text()), "uv.lock"])
