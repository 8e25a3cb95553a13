"""Removable parts leave no trace: after each removal all checks pass, and a new migration drops the part's tables.

One service is emptied step by step, on a database that has run its migrations; a database that is kept needs the old
migrations. `test_guide.py` and `test_switches.py` check that removing a part gives the same tree as never having it,
and `test_generated_suites.py` runs that tree's whole suite. So only the tests of the files that refer to the removed
part run here.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.booted import database
from tests.programs import environment, must
from tests.repository import render
from tests.test_guide import commands
from tests.updating import commit, start, tool

KEPT = "git checkout --quiet HEAD -- migrations/versions"
"""The README's command for a database that is kept: the old migrations are restored."""


def by_answer(answer: str) -> Callable[[Path], None]:
    """Return a function that removes a part by an update of the service with a changed answer."""

    def remove(service: Path) -> None:
        done = tool(service, "update", f"--set={answer}")
        assert (done.returncode, "CONFLICT" in done.stdout) == (0, False), done.stdout + done.stderr

    return remove


def as_the_readme_says(heading: str) -> Callable[[Path], None]:
    """Return a function that removes a part by the README's commands.

    The make commands among these are left out, as they run later.
    """

    def remove(service: Path) -> None:
        found = [command for command in commands(service, heading) if not command.startswith("make ")]
        must(["sh", "-ec", "\n".join(found)], service)

    return remove


PARTS: dict[str, tuple[Callable[[Path], None], str, tuple[str, ...]]] = {
    "products": (by_answer("example=plain"), "app/products", ("products",)),
    "orders": (as_the_readme_says("Delete the example"), "app/orders", ("order_lines", "orders")),
    "downstreams": (by_answer("http_client=none"), "app/downstreams", ()),
    "idempotency keys": (as_the_readme_says("Delete idempotency keys"), "app/idempotency", ("idempotency_keys",)),
}
"""For each removable part: the function that removes the part, the folder, and the tables."""

TESTS = "tests/database tests/settings tests/web tests/test_*.py"


@pytest.fixture
def service(template: Path, copied: Path, tmp_path: Path) -> Path:
    """Return a service in a git repository, with both examples, which shares the default service's environment."""
    folder = render(template, tmp_path, {"example": "showcases"})
    (folder / "uv.lock").write_bytes((copied / "uv.lock").read_bytes())
    with (folder / ".gitignore").open("a") as ignored:
        ignored.write("/.venv\n")
    start(folder)
    (folder / ".venv").symlink_to((copied / ".venv").resolve())
    return folder


@pytest.fixture
def typed(service: Path, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Yield a function that runs a shell command beside a database with all migrations of the service.

    uv does not change the shared environment, although an answer removes packages.
    """
    with database(service, tmp_path) as url:
        # With this hash seed, plain alembic would drop a table before the table that refers to it.
        variables = environment({"DATABASE_URL": url, "UV_NO_SYNC": "1", "PYTHONHASHSEED": "2"})
        must(["make", "migrate"], service, env=variables)
        yield lambda command: must(["sh", "-ec", command], service, env=variables)


def test_each_part_leaves_whole(service: Path, typed: Callable[[str], str]) -> None:
    for part, (remove, folder, tables) in PARTS.items():
        remove(service)
        typed(KEPT)
        typed("make format")
        assert [*(service / folder).glob("*.py")] == []

        typed(f"make migration m='drop {part}'")
        # a part without tables has no file
        written = (service / "migrations/versions").glob(f"*_drop_{part.replace(' ', '_')}.py")
        dropped = "".join(path.read_text("utf-8").partition("def downgrade")[0] for path in written)
        assert tuple(re.findall(r'op\.drop_table\("(\w+)', dropped)) == tables
        typed("make migrate && uv run ruff check . && uv run ruff format --check . && uv run python -m mypy")
        typed("uv run python -m devtools.postgres python -m alembic check")
        commit(service)

    assert " passed" in typed("uv run python -m pytest -n2 " + TESTS)


def test_jobs_and_streams_leave_whole(template: Path, tmp_path: Path) -> None:
    service = start(render(template, tmp_path / "with", {"jobs": "yes"}))
    must(["uv", "sync", "--quiet"], service, env=environment())
    commit(service)
    with database(service, tmp_path) as url:
        variables = environment({"DATABASE_URL": url})
        must(["make", "migrate"], service, env=variables)
        by_answer("jobs=no")(service)
        checks = "make lint types && uv run python -m alembic check"
        for command in (KEPT, "make migration m='drop jobs'", "make migrate", checks):
            must(["sh", "-ec", command], service, env=variables)
    (written,) = (service / "migrations/versions").glob("*_drop_jobs.py")

    assert 'op.drop_table("jobs' in written.read_text("utf-8").partition("def downgrade")[0]
    assert [*(service / "app/jobs").glob("*.py"), *(service / "app/streams").glob("*.py")] == []
