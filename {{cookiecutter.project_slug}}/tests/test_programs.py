"""A missing external program skips tests, or fails tests in CI, and programs started by tests react to SIGINT."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.databases import ROOT

TESTS = """
import pytest

@pytest.mark.parametrize("turn", [1, 2])
@pytest.mark.needs_program("no-such-program", "write it")
def test_needs_it(turn): pass

@pytest.mark.needs_program("git", "apt-get install git")
def test_needs_git(): pass
"""


def said(folder: Path, about: str, **variables: str) -> list[str]:
    """Run pytest in a new process on the code in `TESTS`, and return the output lines that start with `about`."""
    (folder / "test_needs.py").write_text(TESTS, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = needs_program\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "tests.programs", "-q", "--rootdir", str(folder), str(folder)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "REQUIRE_"))}
    # COLUMNS keeps pytest from cutting off output lines; without plugins, pytest starts some seconds faster.
    clean |= {"COLUMNS": "200", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=ROOT, env=clean | variables, capture_output=True, text=True, check=False)
    return [line for line in done.stdout.splitlines() if line.startswith(about)]


def test_a_test_without_its_program_is_skipped_with_one_closing_line(tmp_path: Path) -> None:
    assert said(tmp_path, "skipped") == ["skipped without these programs: no-such-program (write it): 2 tests"]


def test_where_programs_are_required_a_missing_one_fails_the_test(tmp_path: Path) -> None:
    failed = said(tmp_path, "ERROR", REQUIRE_PROGRAMS="1")

    assert [line.partition(" - ")[2] for line in failed] == [
        "Failed: no-such-program is not installed. To get it: write it"
    ] * 2


def test_a_program_that_a_test_starts_reacts_to_sigint() -> None:
    says = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"

    assert subprocess.check_output([sys.executable, "-c", says]).split() == [b"True"]


@pytest.mark.skipif(sys.platform == "win32", reason="a child inherits no ignored signals on Windows")
def test_the_same_when_the_suite_was_started_with_sigint_ignored() -> None:
    shell = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh"]  # a shell ignores SIGINT in a command that ends with `&`
    before = f"{__file__}::{test_a_program_that_a_test_starts_reacts_to_sigint.__name__}"
    command = [*shell, sys.executable, "-m", "pytest", "-n1", before]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
