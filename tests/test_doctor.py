"""`make doctor` of a generated service prints, for each broken set-up, a line that says what to type."""

import ast
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.programs import environment, find_uv, free_port, must, run
from tests.repository import SERVICE
from tests.updating import commit, edit, git, start

HIDDEN = "topsecret"
NAMED = "as in `make setup PYTHON=python"
RUN = "`make run"
HEALTHY = {"PORT": str(free_port())}


def doctor(folder: Path, **variables: str) -> tuple[int, list[str]]:
    """Return the doctor's exit code and printed lines, without the line that make adds after an error."""
    done = run(["make", "doctor"], folder, env=environment(HEALTHY | variables))
    assert "Traceback" not in done.stdout + done.stderr
    assert HIDDEN not in done.stdout + done.stderr
    return done.returncode, done.stdout.splitlines()


def version(python: str) -> str:
    """Return the version of a Python, read as the doctor does on a machine without uv."""
    code = "import sys; print(sys.version.split()[0])"
    return must([python, "-c", code], SERVICE, env=environment(with_uv=False)).strip()


@pytest.fixture
def checkout(copied: Path, tmp_path: Path, template: Path) -> Path:
    """Return a service in a git repository, whose template is a clone that only this test uses."""
    shutil.rmtree(copied / ".uv", ignore_errors=True)
    git(tmp_path, "clone", "--quiet", str(template), "its-template")
    follow(copied, str(tmp_path / "its-template"))
    return start(copied)


def follow(service: Path, address: str) -> None:
    """Set a different address for the service's template; the template at this address has the same commits."""
    state = json.loads((service / ".cruft.json").read_text("utf-8")) | {"template": address}
    (service / ".cruft.json").write_text(json.dumps(state, indent=2), "utf-8")


@pytest.fixture
def silent() -> Iterator[int]:
    """Yield the port of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def migration(service: Path, revision: str) -> None:
    """Write a migration that follows the first migration, so that the migrations have two branches."""
    text = f'revision = "{revision}"\ndown_revision = "order_service__0001"\n'
    (service / f"migrations/versions/{revision}.py").write_text(text, "utf-8")


def test_a_healthy_checkout_has_no_line_to_type(checkout: Path, template: Path) -> None:
    code, lines = doctor(checkout)

    assert lines == [
        f"ok   Python {version(environment()['PYTHON'])}",
        f"ok   {must([find_uv(), '--version'], checkout).strip()}",
        "ok   uv.lock and .venv fit pyproject.toml",
        "ok   settings are valid",
        f"ok   port {HEALTHY['PORT']} is free",
        "ok   database is embedded: `make run` starts and migrates it",
        "ok   migrations end with order_service__0003",
        f"ok   template has nothing newer than {git(template, 'rev-parse', 'HEAD')[:9]}",
        "ok   git has all changes",
    ]
    assert code == 0


def test_seven_broken_parts_have_a_line_each(checkout: Path, tmp_path: Path, silent: int) -> None:
    old = tmp_path / "uv"
    old.write_text("#!/bin/sh\necho uv 0.5.31\n")
    old.chmod(0o755)
    (checkout / ".env").write_text(
        f"DATABSE_URL={HIDDEN}\nMY_OWN=1\nDATABASE_URL=postgresql://app:{HIDDEN}@127.0.0.1:{free_port()}/app\n"
    )
    migration(checkout, "order_service__mine")
    commit(tmp_path / "its-template")
    edit(checkout / "pyproject.toml", 'requires-python = ">=3.11"', 'requires-python = ">=3.99"')
    shutil.rmtree(checkout / ".git")

    code, lines = doctor(
        checkout, PATH=f"{tmp_path}:{environment(with_uv=False)['PATH']}", PORT=str(silent), LOG_LEVEL=HIDDEN
    )

    me, heads = psutil.Process(), ("order_service__0003", "order_service__mine")
    away = "start it, correct the variable, or remove it, and `make run` starts its own"
    meaning = "(The least severe level of the log lines that are written.)"
    owner = f"{me.name()} (process {me.pid}, in {me.cwd()})"
    assert lines == [
        f"do   Python {version(environment()['PYTHON'])} is too old: install 3.99 or newer and name it, {NAMED}3.99`",
        "do   uv is missing or older than 0.6: `make setup` installs its own",
        "do   setting DATABSE_URL: there is no such setting; the nearest is DATABASE_URL",
        f"do   setting LOG_LEVEL: Input should be 'debug', 'info', 'warning' or 'error' {meaning}",
        "note MY_OWN in .env is the name of no setting: .env.example has all names",
        f"do   port {silent} is taken by {owner}: end it, or {RUN} PORT={silent + 1}`",
        f"do   database of DATABASE_URL cannot be reached: {away}",
        f"do   migrations: The migrations need one head, not {', '.join(heads)}: join them with `make merge`.",
        "note template is 1 commit ahead: `make template` tells more",
        "do   git has no repository here: `git init`, `git add --all`, `git commit`",
    ]
    assert code != 0


def still_asking(address: str) -> list[str]:
    """Return the programs that still wait for an answer from an address, after killed programs have had time to end."""
    end = time.monotonic() + 10
    while left := [str(found) for found in psutil.process_iter(["cmdline"]) if address in str(found.info["cmdline"])]:
        if time.monotonic() > end:
            break
        time.sleep(0.1)
    return left


def test_an_old_lock_a_committed_env_and_a_silent_template_have_a_line_each(checkout: Path, silent: int) -> None:
    edit(checkout / "pyproject.toml", '"anyio>=', '"idna", "anyio>=')
    (checkout / ".env").write_text("")
    git(checkout, "add", "--force", ".env")
    follow(checkout, f"http://127.0.0.1:{silent}/template.git")

    code, lines = doctor(checkout, REPLICAS="40")

    assert lines[3].startswith("do   setting ")
    assert "REPLICAS" in lines[3]
    assert lines[2] == (
        "do   uv.lock is missing, or does not fit pyproject.toml: `make setup` writes it, then commit it"
    )
    assert lines[-2:] == [
        "note template did not answer at once: `make template` waits for it",
        "do   git has .env, which may have secrets: `git rm --cached .env`",
    ]
    assert code != 0
    assert still_asking(f":{silent}/") == []


def test_a_database_that_lacks_migrations_and_a_checkout_without_packages_have_a_line_each(checkout: Path) -> None:
    env = environment(HEALTHY)
    twice = "make doctor; env -u DATABASE_URL make doctor"  # first the server of DATABASE_URL, then the embedded server
    behind = run(["uv", "run", "python", "-m", "devtools.postgres", "sh", "-c", twice], checkout, env=env)
    (checkout / ".venv").unlink()
    _, without = doctor(checkout)

    assert [line for line in behind.stdout.splitlines() if "database" in line] == [
        "ok   database answers",
        "do   migrations: the database is at none, not at order_service__0003: `make migrate`",
    ] * 2
    assert without[2:4] == [
        "do   .venv lacks packages: `make setup`",
        "do   port and database need the packages: `make setup`",
    ]


def old_python() -> str | None:
    """Return a Python that is too old for make targets other than the doctor: the oldest from 3.7 to 3.10, if any."""
    candidates = [f"python3.{minor}" for minor in range(7, 11)]
    folders = [*Path.home().glob(".pyenv/versions/3.*/bin"), *map(Path, os.environ["PATH"].split(os.pathsep))]
    found = (folder / name for name in candidates for folder in folders if (folder / name).exists())
    return next((str(python) for python in found if not run([python, "-c", ""], SERVICE).returncode), None)


def test_an_old_python_runs_the_doctor_and_nothing_else(checkout: Path) -> None:
    if (python := old_python()) is None:
        pytest.skip("this machine has no Python from 3.7 to 3.10")

    _, lines = doctor(checkout, PYTHON=python)
    refused = run(["make", "migrate"], checkout, env=environment({"PYTHON": python}))

    assert lines[0] == f"do   Python {version(python)} is too old: install 3.11 or newer and name it, {NAMED}3.11`"
    assert {line[:4] for line in lines[1:]} == {"ok  "}
    assert "Python 3.11 or newer is needed" in refused.stderr


def python_of_everybody() -> str | None:
    """Return a Python that every user may run, or None without root: only root can start programs as any user."""
    everywhere = "/usr/bin/python3", "/usr/local/bin/python3"
    found = next((python for python in everywhere if Path(python).exists()), None)
    return found if hasattr(os, "geteuid") and os.geteuid() == 0 else None


@pytest.mark.skipif(python_of_everybody() is None, reason="needs root, and a Python of the system")
def test_a_folder_of_root_is_told_to_another_user(checkout: Path) -> None:
    """If a folder belongs to root, make and the doctor name the command that gives the folder to the user."""
    with tempfile.TemporaryDirectory() as open_to_all:
        Path(open_to_all).chmod(0o755)
        service = shutil.copytree(checkout, Path(open_to_all, "service"), ignore=shutil.ignore_patterns(".venv"))
        env = {"PATH": os.defpath, "PYTHON": str(python_of_everybody()), "HOME": open_to_all}
        nobody: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []}
        made, told = (
            subprocess.run(["make", name], cwd=service, env=env, capture_output=True, text=True, check=False, **nobody)
            for name in ("setup", "doctor")
        )

    chown = f"`chown -R 65534 {service}`"
    assert f"This user may not write into {service}: as root, {chown}" in made.stderr
    assert f"do   folder has files of a different user: as root, {chown}" in told.stdout
    assert f"do   git distrusts a folder of a different user: `git config --global --add safe.directory {service}`" in (
        told.stdout
    )
    assert "Traceback" not in made.stderr + told.stdout + told.stderr


def test_the_file_has_the_grammar_of_an_old_python_and_needs_nothing_installed() -> None:
    tree = ast.parse((SERVICE / "devtools/doctor.py").read_text("utf-8"), feature_version=(3, 8))

    imported = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {alias.name for node in imported if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in imported if isinstance(node, ast.ImportFrom)}
    assert {module.partition(".")[0] for module in modules} <= sys.stdlib_module_names
