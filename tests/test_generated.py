"""The commands of a generated service work; linter and type checkers find nothing, for answers that change Python."""

import itertools
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.conftest import VARIANTS
from tests.programs import environment, must, run
from tests.repository import QUESTIONS, ROOT, SERVICE, go_together, render, tracked


def test_the_variants_have_each_pair_of_answers_that_change_python() -> None:
    asked = {name: [*map(str, QUESTIONS[name])] for name in ("http_client", "example", "proofs")}
    given = [{name: answers.get(name, choices[0]) for name, choices in asked.items()} for answers in VARIANTS.values()]

    for one, other in itertools.combinations(asked, 2):
        pairs = itertools.product(asked[one], asked[other])
        wanted = {pair for pair in pairs if go_together(dict(zip((one, other), pair, strict=True)))}
        assert {(answers[one], answers[other]) for answers in given} == wanted


@pytest.mark.parametrize("variant", ["default", "full", "bare", "client_bare", "httpx2", "httpx2_bare"])
def test_the_types_hold(service: Callable[[str], Path], variant: str) -> None:
    must(["make", "types"], service(variant))


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_linter_is_silent(service: Callable[[str], Path], variant: str) -> None:
    must(["make", "lint"], service(variant))


def test_the_proofs_of_the_default_client_pass_on_this_python(service: Callable[[str], Path]) -> None:
    """Only the proofs of the downstreams run here, with the default HTTP client on this Python.

    The other proofs run on this Python with the other HTTP client, and with the default client on newer Pythons in CI.
    """
    must(["uv", "run", "pytest", "tests/downstreams"], service("full"))


def test_the_manifests_of_a_service_with_all_downstreams_add_up(service: Callable[[str], Path]) -> None:
    """The manifests of a service with all downstreams have the URL of each downstream that production requires.

    The service `full` proves the rest of `make deploy-check`.
    """
    must(["make", "deploy-check"], service("jwt"))


def test_setup_writes_a_lock_that_fits(service: Callable[[str], Path]) -> None:
    must(["uv", "lock", "--check"], service("full"))


def test_git_ignores_what_the_commands_make(service: Callable[[str], Path]) -> None:
    folder = service("full")
    must(["git", "init", "--quiet"], folder)
    (folder / ".env").write_text("SECRET=1\n")

    seen = {path.relative_to(folder).parts[0] for path in tracked(folder)}

    (folder / ".env").unlink()
    assert "uv.lock" in seen
    assert "app" in seen
    assert not seen & {".venv", ".uv", ".env", ".devtools", ".hypothesis"}
    assert not seen & {".mypy_cache", ".ruff_cache", ".pytest_cache"}


def test_uv_installs_itself_when_it_is_absent(service: Callable[[str], Path]) -> None:
    folder = service("bare")
    must(["make", "types"], folder, env=environment(with_uv=False))

    assert (folder / ".uv/bin/uv").is_file()


@pytest.mark.parametrize(
    ("found", "used"),
    [("uv 0.4.20", ".uv/bin/uv"), ("uv 0.5.31 (82be5daa1)", ".uv/bin/uv"), ("uv 0.6.0", "uv"), ("uv 1.0.0", "uv")],
)
def test_an_old_uv_is_not_used(template: Path, tmp_path: Path, found: str, used: str) -> None:
    """The Makefile does not use an uv that is too old, but the private uv instead.

    An old uv does not know dependency groups, and would rewrite the lock file without the development tools.
    """
    (tmp_path / "uv").write_text(f"#!/bin/sh\necho '{found}'\n")
    (tmp_path / "uv").chmod(0o755)
    path = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}

    for folder in (template, template / SERVICE.name):
        assert must(["make", "--dry-run", "setup"], folder, env=environment() | path).splitlines()[-1] == f"{used} sync"


@pytest.mark.parametrize("lock", [None, "version = 1\nrevision = 3\nrequires-python = '>=3.11'\n"])
def test_ci_is_red_for_a_lock_that_is_missing_or_out_of_date(template: Path, tmp_path: Path, lock: str | None) -> None:
    folder = render(template, tmp_path, {})
    github = yaml.safe_load((template / SERVICE.name / ".github/workflows/ci.yml").read_text())["jobs"]["check"]["env"]
    gitlab = yaml.safe_load((template / SERVICE.name / ".gitlab-ci.yml").read_text())["check"]["variables"]
    if lock is not None:
        (folder / "uv.lock").write_text(lock)

    done = run(["make", "setup"], folder, env=environment(github))

    assert github["UV_LOCKED"] == gitlab["UV_LOCKED"] == "1"
    assert done.returncode == 2
    assert "UV_LOCKED=1" in done.stderr


def test_one_setting_names_the_index_of_both_installers_in_the_image() -> None:
    lines = (SERVICE / "Dockerfile").read_text().splitlines()

    assert [line for line in lines if "ARG INDEX_URL" in line] == ["ARG INDEX_URL"]
    assert [line.count("=$INDEX_URL") for line in lines if "$INDEX_URL" in line] == [2]


@pytest.mark.parametrize("python", ["missing-python", "false"])
def test_a_python_that_does_not_fit_is_one_clear_sentence(service: Callable[[str], Path], python: str) -> None:
    done = run(["make", "test", f"PYTHON={python}"], service("full"))

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"Makefile:23: *** Python 3.11 or newer is needed and {python} is missing: install one or name it, "
        "as in `make test PYTHON=python3.12`.  Stop.\n"
    )


def test_the_commands_for_the_database_work(service: Callable[[str], Path]) -> None:
    folder = service("full")

    must(["make", "migrate"], folder)
    table = must(["make", "capacity"], folder)
    chart = must(["make", "capacity-chart"], folder)
    must(["make", "migration", "m=nothing new"], folder)
    must(["make", "lint"], folder)

    assert "workers" in table
    assert "| the limit of" in chart
    assert [*(folder / "migrations/versions").glob("*_nothing_new.py")] == []  # the migrations match the models


PLANS = re.findall(
    r"^make capacity args=\"([^\"\n]+)\"\n```\n\n```text\n(.+?)\n```$",
    (ROOT / "docs/capacity.md").read_text("utf-8"),
    re.MULTILINE | re.DOTALL,
)


@pytest.mark.parametrize(("arguments", "plan"), PLANS, ids=[arguments for arguments, _ in PLANS])
def test_the_plans_in_the_guide_are_what_the_command_prints(
    service: Callable[[str], Path], arguments: str, plan: str
) -> None:
    nobody = environment({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"})
    # a service with both features, without jobs
    done = run(["make", "capacity", f"args={arguments}"], service("httpx2"), env=nobody)

    # without the line that make adds about a failed command
    printed = done.stdout or done.stderr.partition("\nmake")[0]
    assert printed.split("\n\n")[0].strip() == plan


def test_the_guide_shows_four_plans() -> None:
    assert len(PLANS) == 4


def test_a_migration_without_a_name_is_refused(service: Callable[[str], Path]) -> None:
    done = run(["make", "migration"], service("full"))

    assert done.returncode == 2
    assert 'say what changes, as in `make migration m="add a note"`' in done.stderr
