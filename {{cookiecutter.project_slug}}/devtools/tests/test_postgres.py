"""`python -m devtools.postgres` runs a command on the developer's database; a test run never uses that database."""

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from devtools import postgres, psql
from devtools.tests.server_users import run

MODULE = ("-m", "devtools.postgres")

ELSEWHERE = "postgresql://somebody:secret@db.example/precious"


def test_a_command_gets_the_developers_database_and_its_exit_code_is_returned() -> None:
    code = "import os, sys; print(os.environ['DATABASE_URL']); sys.exit(7)"
    done = run(*MODULE, "python", "-c", code, DATABASE_URL=ELSEWHERE)

    assert (done.stdout, done.stderr, done.returncode) == (f"{ELSEWHERE}\n", "", 7)


def test_a_command_that_is_missing_or_unknown_is_answered_with_an_example() -> None:
    nothing, unknown = run(*MODULE), run(*MODULE, "no-such-command", DATABASE_URL=ELSEWHERE)

    assert (nothing.returncode, nothing.stderr) == (2, f"{postgres.USAGE}\n")
    assert (unknown.returncode, unknown.stderr) == (1, f"The command no-such-command was not found. {postgres.USAGE}\n")


def test_a_variable_of_the_environment_wins_over_the_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PATH=/nowhere\nONLY_IN_FILE=' yes\n'\nEMPTY=\nBLANK=' '\n")
    names = "PATH", "ONLY_IN_FILE", "EMPTY", "BLANK", "NOWHERE"

    values = [postgres.setting(name, tmp_path / ".env") for name in names]

    assert values == [os.environ["PATH"], "yes", None, None, None]


START = """
import sys
import tempfile
from pathlib import Path
from devtools import postgres
try:
    postgres.server(Path(sys.argv[1]) / "state", durable=True).__enter__()
except postgres.ServerError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a folder read-only in a namespace")
def test_a_checkout_that_is_mounted_read_only_is_named() -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:  # root's PostgreSQL may enter /var/tmp
        Path(folder).chmod(0o755)
        read_only = f"mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}"
        private = ["unshare", "--mount", "sh", "-c"]
        if subprocess.call([*private, read_only], stderr=subprocess.DEVNULL):
            pytest.skip("this user has no right on a mount namespace")
        start = shlex.join([sys.executable, "-c", START, folder])
        done = subprocess.run([*private, f"{read_only} && {start}"], capture_output=True, text=True, check=False)

    assert done.stdout == f"{folder} is read-only for this user: run a copy of the project elsewhere.\n", done.stderr


def test_the_tests_never_use_the_database_of_the_developer(server_url: str) -> None:
    code = "from devtools import postgres\nwith postgres.test_server() as url: print(url)"
    done = run("-c", code, DATABASE_URL=ELSEWHERE)

    assert done.stdout == f"{server_url}\n"


@pytest.mark.usefixtures("server_url")
def test_variables_that_describe_a_different_server_do_not_reach_the_embedded_server() -> None:
    code = (
        "import asyncio, asyncpg\n"
        "from devtools import postgres\n"
        "async def ask(url): print(await (await asyncpg.connect(url)).fetchval('SELECT 42'))\n"
        "with postgres.test_server() as url: asyncio.run(ask(url))"
    )
    done = run("-c", code, PGSSLMODE="require", PGTARGETSESSIONATTRS="standby")

    assert (done.stdout, done.stderr) == ("42\n", "")


def test_psql_opens_the_database_and_no_argument_has_the_password(server_url: str) -> None:
    done = run(*MODULE, "psql", "-Atc", "SELECT 42", DATABASE_URL=server_url)
    command, variables = psql.command("postgresql+asyncpg://app:p%40ss@h:6432/db?ssl=require", ["-l"])

    assert done.stdout == "42\n"
    assert command[1:] == ["--dbname=postgresql://app@h:6432/db?sslmode=require", "-l"]
    assert variables == {"PGPASSWORD": "p@ss"}


def test_a_database_of_the_developer_is_not_reset() -> None:
    done = run(*MODULE, "--reset", DATABASE_URL=ELSEWHERE)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("DATABASE_URL names a server of yours")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become a nameless user")
def test_a_user_without_a_name_is_told_what_to_do() -> None:
    code = "import os; from devtools import binaries\nos.setuid(54321)\nbinaries.server_account()"
    done = run("-c", code)

    assert "The user id 54321 has no name, and PostgreSQL's initdb needs one: add `dev:x:54321:" in done.stderr
