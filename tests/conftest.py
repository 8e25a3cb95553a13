"""Fixtures of the template's tests: a clean copy of the template, and generated services that are installed once."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fasteners import InterProcessLock

from tests import lanes, needs, phases
from tests.programs import must
from tests.repository import EVERYTHING, Answers, copy_template, render

VARIANTS: dict[str, Answers] = {
    "default": {},
    "full": {"project_name": "Full Service", **EVERYTHING},
    "bare": {
        "project_name": "Bare Service",
        "http_client": "none",
        "example": "no",
        "ci": "none",
        "licence": "Apache-2.0",
    },
    "proven_bare": {"project_name": "Proven Bare", "http_client": "none", "example": "no", "proofs": "yes"},
    "client_bare": {"project_name": "Client Bare", "example": "no"},
    "httpx2": {"project_name": "Second Client", "http_client": "httpx2", "example": "showcases", "ci": "gitlab"},
    "jwt": {"project_name": "Signed In", **EVERYTHING, "auth": "jwt"},
    "httpx2_plain": {"project_name": "Second Plain", "http_client": "httpx2", "proofs": "yes"},
    "httpx2_bare": {
        "project_name": "Bare Second",
        "http_client": "httpx2",
        "example": "no",
        "proofs": "yes",
        "ci": "none",
        "licence": "proprietary",
    },
}
"""The answers of each tested service, by name.

Every pair of answers to the questions that change Python code (client, example, proofs) is in at least one of these
services.
"""

WORKSHOP = "TEMPLATE_TESTS_WORKSHOP"
"""The environment variable that tells all test lanes the folder in which the generated services are."""


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder of the generated services, and report phases and skipped tests at the end of the run."""
    # A shell's `&` and some CI runners start pytest with SIGINT ignored, and the programs that tests start would
    # inherit this.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for plugin in (lanes, needs, phases):
        config.pluginmanager.register(plugin)
    if not hasattr(config, "workerinput"):
        os.environ[WORKSHOP] = tempfile.mkdtemp(prefix="workshop-")
        # pytest's own folders are private, and root's PostgreSQL runs as a different user
        Path(os.environ[WORKSHOP]).chmod(0o755)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Delete the folder of the generated services."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(WORKSHOP), ignore_errors=True)


@pytest.fixture(scope="session")
def template() -> Path:
    """Return a copy of the template, like a fresh clone, in a separate git repository, the same in all test lanes.

    A service keeps the path and the commit of its template, and a different lane may have generated that service. No
    test may change the copy.
    """
    place = Path(os.environ[WORKSHOP])
    copy = place / "template" / "service-template"
    with InterProcessLock(place / "template.lock"):
        if not copy.exists():
            made = copy_template(place / "template" / "making")
            for command in ("init --quiet --initial-branch=main", "add --all", "commit --quiet --message=template"):
                subprocess.run(["git", *IDENTITY, *command.split()], cwd=made, check=True)
            made.rename(copy)
    return copy


IDENTITY = ("-c", "user.name=tests", "-c", "user.email=tests@example.invalid", "-c", "commit.gpgsign=false")


@pytest.fixture
def workshop() -> Iterator[Path]:
    """Return a folder that every user of the machine may enter, for a single test."""
    with tempfile.TemporaryDirectory(dir=os.environ[WORKSHOP], ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture(scope="session")
def service(template: Path) -> Callable[[str], Path]:
    """Return a function that returns the folder of a generated and installed service, the same in all test lanes."""
    place = Path(os.environ[WORKSHOP])

    def give(variant: str) -> Path:
        made = place / f"{variant}.made"
        with InterProcessLock(place / f"{variant}.lock"):
            if not made.exists():
                folder = render(template, place / variant, VARIANTS[variant])
                must(["make", "setup"], folder)
                made.write_text(str(folder))
        return Path(made.read_text())

    return give


@pytest.fixture
def copied(service: Callable[[str], Path], workshop: Path, request: pytest.FixtureRequest) -> Path:
    """Return a copy of a service for a single test: the default service, unless the test names a different service.

    The copy shares the environment of the original.
    """
    original, folder = service(getattr(request, "param", "default")), workshop / "copied"
    shutil.copytree(original, folder, ignore=shutil.ignore_patterns(".venv", ".devtools", ".pytest_cache"))
    (folder / ".venv").symlink_to(original / ".venv")
    return folder
