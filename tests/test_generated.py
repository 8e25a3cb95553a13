"""A generated service passes its own checks, for each answer that changes its Python."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.programs import environment, must, run
from tests.repository import ROOT, tracked

APART = ("default", "bare_httpx2")
"""Two variants that differ in every answer which changes Python; `tests/test_render.py` looks at all combinations."""


@pytest.mark.parametrize("variant", APART)
def test_the_types_hold(service: Callable[[str], Path], variant: str) -> None:
    must(["make", "types"], service(variant))


@pytest.mark.parametrize("variant", APART)
def test_the_linter_is_silent(service: Callable[[str], Path], variant: str) -> None:
    must(["make", "lint"], service(variant))


def test_its_own_suite_passes(service: Callable[[str], Path]) -> None:
    done = run(["make", "test"], service("default"))

    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


@pytest.mark.parametrize("variant", ["httpx2", "bare_httpx2"])
def test_its_own_suite_passes_with_other_answers(service: Callable[[str], Path], variant: str) -> None:
    """Without the faults: they break what the answers do not change."""
    done = run(["uv", "run", "pytest", "-m", "not fault"], service(variant))

    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def test_it_survives_its_faults(service: Callable[[str], Path]) -> None:
    """Those that meet its client, with the other one; `.ci/run` runs all of them with the usual one."""
    done = run(["uv", "run", "pytest", "tests/faults/test_neighbours.py"], service("httpx2"))

    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def test_the_suite_of_its_tools_passes(service: Callable[[str], Path]) -> None:
    done = run(["uv", "run", "pytest", "devtools"], service("default"))

    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def test_setup_writes_a_lock_that_fits(service: Callable[[str], Path]) -> None:
    must(["uv", "lock", "--check"], service("default"))


def test_git_ignores_what_the_commands_make(service: Callable[[str], Path]) -> None:
    folder = service("default")
    must(["git", "init", "--quiet"], folder)
    (folder / ".env").write_text("SECRET=1\n")

    seen = {path.relative_to(folder).parts[0] for path in tracked(folder)}

    (folder / ".env").unlink()
    assert "uv.lock" in seen
    assert "app" in seen
    assert not seen & {".venv", ".uv", ".env", ".devtools", ".hypothesis"}
    assert not seen & {".mypy_cache", ".ruff_cache", ".pytest_cache"}


def test_uv_installs_itself_when_it_is_absent(service: Callable[[str], Path]) -> None:
    folder = service("bare_httpx2")
    must(["make", "types"], folder, env=environment(with_uv=False))

    assert (folder / ".uv/bin/uv").is_file()


@pytest.mark.parametrize("python", ["missing-python", "false"])
def test_a_python_that_does_not_fit_is_one_clear_sentence(service: Callable[[str], Path], python: str) -> None:
    done = run(["make", "test", f"PYTHON={python}"], service("default"))

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"Makefile:12: *** Python 3.11 or newer is needed and {python} is missing: install one or name it, "
        "as in `make test PYTHON=python3.12`.  Stop.\n"
    )


def test_the_commands_for_the_database_work(service: Callable[[str], Path]) -> None:
    folder = service("default")

    must(["make", "migrate"], folder)
    table = must(["make", "capacity"], folder)
    must(["make", "migration", "m=nothing new"], folder)
    must(["make", "lint"], folder)

    written = next((folder / "migrations/versions").glob("*_nothing_new.py"))
    text = written.read_text()
    written.unlink()
    assert "workers" in table
    assert "op." not in text  # the migrations bring what the models say


PLANS = re.findall(
    r"^python -m app.capacity ([^\n]+)\n```\n\n```text\n(.+?)\n```$",
    (ROOT / "docs/capacity.md").read_text("utf-8"),
    re.MULTILINE | re.DOTALL,
)


@pytest.mark.parametrize(("arguments", "plan"), PLANS, ids=[arguments for arguments, _ in PLANS])
def test_the_plans_in_the_guide_are_what_the_command_prints(
    service: Callable[[str], Path], arguments: str, plan: str
) -> None:
    nobody = environment({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"})
    command = ["uv", "run", "python", "-m", "app.capacity", *arguments.split()]
    done = run(command, service("default"), env=nobody)

    assert (done.stdout or done.stderr).split("\n\n")[0].strip() == plan


def test_a_migration_without_a_name_is_refused(service: Callable[[str], Path]) -> None:
    done = run(["make", "migration"], service("default"))

    assert done.returncode == 2
    assert 'say what changes, as in `make migration m="add a note"`' in done.stderr
