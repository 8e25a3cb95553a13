"""What the tests share: one clean copy of the template, and generated services that are installed once."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.programs import must
from tests.repository import Answers, copy_template, render

VARIANTS: dict[str, Answers] = {
    "default": {},
    "httpx2": {"project_name": "Second Client", "http_client": "httpx2"},
    "bare_httpx2": {
        "project_name": "Bare Second",
        "example": "no",
        "http_client": "httpx2",
        "ci": "none",
        "licence": "proprietary",
    },
}
"""By name; the default one and the last differ in every answer."""


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the template as a fresh clone has it, in a git repository of its own."""
    copy = copy_template(tmp_path_factory.mktemp("template") / "service-template")
    for command in ("init --quiet --initial-branch=main", "add --all", "commit --quiet --message=template"):
        subprocess.run(["git", *IDENTITY, *command.split()], cwd=copy, check=True)
    return copy


IDENTITY = ("-c", "user.name=tests", "-c", "user.email=tests@example.invalid", "-c", "commit.gpgsign=false")


@pytest.fixture(scope="session")
def workshop() -> Iterator[Path]:
    """Return a folder that every user may enter: pytest's own are closed, and root's PostgreSQL is another user."""
    with tempfile.TemporaryDirectory(prefix="workshop-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture(scope="session")
def service(template: Path, workshop: Path) -> Callable[[str], Path]:
    """Return a function that gives the folder of a generated and installed service."""
    made: dict[str, Path] = {}

    def give(variant: str) -> Path:
        if variant not in made:
            made[variant] = render(template, workshop / variant, VARIANTS[variant])
            must(["make", "setup"], made[variant])
        return made[variant]

    return give
