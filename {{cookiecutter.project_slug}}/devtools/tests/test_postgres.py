"""Which database a command or a test run gets."""

import os
from pathlib import Path

from devtools import postgres
from devtools.tests.users import run

MODULE = ("-m", "devtools.postgres")

ELSEWHERE = "postgresql://somebody:secret@db.example/precious"


def test_a_command_gets_the_persons_own_database_and_its_exit_code_is_passed_on() -> None:
    code = "import os, sys; print(os.environ['DATABASE_URL']); sys.exit(7)"
    done = run(*MODULE, "python", "-c", code, DATABASE_URL=ELSEWHERE)

    assert (done.stdout, done.stderr, done.returncode) == (f"{ELSEWHERE}\n", "", 7)


def test_a_command_that_is_missing_or_unknown_is_answered_with_an_example() -> None:
    nothing, unknown = run(*MODULE), run(*MODULE, "no-such-command", DATABASE_URL=ELSEWHERE)

    assert (nothing.returncode, nothing.stderr) == (2, f"{postgres.USAGE}\n")
    assert (unknown.returncode, unknown.stderr) == (1, f"There is no command no-such-command. {postgres.USAGE}\n")


def test_a_variable_of_the_environment_wins_over_the_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PATH=/nowhere\nONLY_IN_FILE=yes\nEMPTY=\n")
    names = "PATH", "ONLY_IN_FILE", "EMPTY", "NOWHERE"

    values = [postgres.setting(name, tmp_path / ".env") for name in names]

    assert values == [os.environ["PATH"], "yes", None, None]


def test_the_tests_never_use_the_database_that_a_person_named(server_url: str) -> None:
    code = "from devtools import postgres\nwith postgres.test_server() as url: print(url)"
    done = run("-c", code, DATABASE_URL=ELSEWHERE)

    assert done.stdout == f"{server_url}\n"
