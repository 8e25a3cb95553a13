"""A developer's everyday problems: odd shell variables, a moved folder, branches with migrations, an odd `.env`."""

import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.programs import environment, must, run
from tests.repository import SERVICE

SHELL = {"PGSSLMODE": "require", "PGTARGETSESSIONATTRS": "standby", "PGHOST": "db.invalid", "PYTHONSAFEPATH": "1"}
"""Shell variables of a developer that are meant for other servers and programs, and must not disturb the service."""


INTERRUPTER = """
import signal, sys
class Interrupter:
    def find_spec(name, path=None, target=None):
        if name.startswith("MODULE"):
            Finalized() if LOST else signal.raise_signal(NUMBER)
class Finalized:
    def __del__(self):
        signal.raise_signal(NUMBER)
sys.meta_path.insert(0, Interrupter)
"""
"""A module `sitecustomize`, which Python imports at the start, to send a signal when Python looks for a module.

With LOST, the signal is sent in a finalizer, whose exceptions Python ignores.
"""


def write_migration(folder: Path, revision: str) -> Path:
    """Write a migration that follows the service's last migration, as a git branch would add."""
    file = folder / f"migrations/versions/{revision}_of_a_branch.py"
    functions = "def upgrade() -> None: ...\ndef downgrade() -> None: ...\n"
    file.write_text(
        f'"""Of a branch."""\n\nrevision = "{revision}"\ndown_revision = "order_service__0003"\n{functions}', "utf-8"
    )
    return file


def test_the_commands_for_the_database_work_under_an_odd_shell_and_say_what_helps(copied: Path) -> None:
    odd = environment(SHELL)
    first = write_migration(copied, "one")
    must(["make", "migrate"], copied, env=odd)
    single = run(["make", "merge"], copied)
    second = write_migration(copied, "two")
    heads = run(["make", "migrate"], copied)
    must(["make", "merge"], copied)
    must(["make", "migrate"], copied)
    count = must(["make", "psql", "args=-Atc 'SELECT count(*) FROM alembic_version'"], copied, env=odd)
    for file in (first, second, *copied.glob("migrations/versions/*_merge.py")):
        file.unlink()
    switched = run(["make", "migrate"], copied)
    must(["make", "reset"], copied)

    assert "There is a single newest migration: nothing has to be joined." in single.stdout
    assert single.returncode != 0
    assert "`make merge` joins them" in heads.stderr
    assert "Can't locate revision" in switched.stderr
    assert "`make reset`" in switched.stderr
    assert "Traceback" not in heads.stderr + switched.stderr
    assert count.strip() == "1"


def test_the_tests_take_nothing_of_the_developers_env_file(copied: Path) -> None:
    (copied / ".env").write_text("WEB_CONCURRENCY=64\n")

    assert " passed" in must(["uv", "run", "python", "-m", "pytest", "-n0", "tests/health"], copied)


@pytest.mark.parametrize("command", ["run", "psql", "migrate", "capacity", "doctor"])
def test_an_env_file_that_is_not_utf_8_is_told_in_one_line(copied: Path, command: str) -> None:
    (copied / ".env").write_bytes("NOTE=grün\n".encode("latin-1"))

    done = run(["make", command], copied)

    assert f"{copied / '.env'} is not UTF-8: save it in this encoding." in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_no_command_runs_a_script_of_the_environment_which_knows_the_path_of_its_folder() -> None:
    programs = set(re.findall(r"\$\(UV\) run (\S+)", (SERVICE / "Makefile").read_text("utf-8")))

    assert programs == {"python", "ruff"}  # ruff is a compiled program, not a script


@pytest.mark.parametrize(
    ("command", "imported", "number", "code"),
    [
        ("devtools.run", "devtools.run", signal.SIGINT, -signal.SIGINT),
        ("devtools.postgres", "devtools.postgres", signal.SIGINT, -signal.SIGINT),
        ("devtools.doctor", "devtools.doctor", signal.SIGINT, -signal.SIGINT),
        ("app.server", "app.settings", signal.SIGINT, 0),
        ("app.server", "gunicorn.arbiter", signal.SIGTERM, 0),
        ("app.jobs", "structlog", signal.SIGINT, 0),
        ("app.jobs", "sqlalchemy", signal.SIGTERM, 0),
    ],
)
def test_a_command_that_is_stopped_while_it_imports_ends_without_a_traceback(
    service: Callable[[str], Path], tmp_path: Path, command: str, imported: str, number: signal.Signals, code: int
) -> None:
    assert stopped(service("full"), tmp_path, command, imported, number) == (code, "", "")


@pytest.mark.parametrize(
    ("command", "imported"),
    [("app.server", "app.settings"), ("gunicorn", "prometheus_client"), ("app.jobs", "structlog")],
)
def test_sigterm_ends_an_import_that_ignores_exceptions(
    service: Callable[[str], Path], tmp_path: Path, command: str, imported: str
) -> None:
    """SIGTERM ends a command also during an import that ignores exceptions.

    Python ignores the exception of a signal handler that runs within a finalizer.
    """
    assert stopped(service("full"), tmp_path, command, imported, signal.SIGTERM, lost=True) == (0, "", "")


def stopped(
    service: Path, folder: Path, command: str, imported: str, number: signal.Signals, *, lost: bool = False
) -> tuple[int, str, str]:
    """Return exit code and output of a command that gets a signal when Python looks for a module."""
    interrupter = INTERRUPTER.replace("MODULE", imported).replace("NUMBER", str(int(number))).replace("LOST", str(lost))
    (folder / "sitecustomize.py").write_text(interrupter, "utf-8")
    python = service / ".venv/bin/python"
    odd = {"PYTHONPATH": str(folder), "DATABASE_URL": "postgresql://app@127.0.0.1:1/none"}
    env = environment(odd | {"ENVIRONMENT": "development"})
    done = subprocess.run(
        [python, "-m", command], cwd=service, env=env, capture_output=True, text=True, timeout=60, check=False
    )

    return done.returncode, done.stdout, done.stderr
