"""Tests of the template's test suite itself: lanes, phases, missing programs, and SIGINT for started programs."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tests import phases
from tests.lanes import LANES, OTHER, lane_of
from tests.needs import INSIDE, LINE, skipped_inside
from tests.programs import environment, must, run
from tests.repository import ROOT

TESTS = f"""
import pytest

@pytest.mark.parametrize("turn", [1, 2])
@pytest.mark.needs_program("no-such-program", "write it")
def test_needs_it(turn): pass

@pytest.mark.needs_program("git", "apt-get install git")
def test_a_suite_that_skipped(record_property):
    record_property({INSIDE!r}, {LINE!r} + "other (buy it): 3 tests; no-such-program (write it): 4 tests")
"""


def said(folder: Path, about: str, **variables: str) -> list[str]:
    """Run sample tests in a separate pytest, and return the output lines that begin with a given text."""
    (folder / "test_needs.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = needs_program\n")
    plugins = ("-p", "tests.needs", "-p", "tests.phases")
    command = [sys.executable, "-m", "pytest", *plugins, "-q", "--rootdir", str(folder), str(folder)]
    clean = {name: value for name, value in environment().items() if name != "REQUIRE_PROGRAMS"}
    done = run(command, ROOT, env=clean | {"COLUMNS": "200", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | variables)
    return [line for line in done.stdout.splitlines() if line.startswith(about)]


def test_tests_without_their_program_are_skipped_with_one_closing_line(tmp_path: Path) -> None:
    """Tests whose program is missing are skipped, with a single closing line.

    The line also counts tests that a generated service's own suite has skipped.
    """
    assert said(tmp_path, "skipped") == [f"{LINE}no-such-program (write it): 6 tests; other (buy it): 3 tests"]


def test_where_programs_are_required_a_missing_one_fails_the_test(tmp_path: Path) -> None:
    failed = said(tmp_path, "ERROR", REQUIRE_PROGRAMS="1")

    assert [line.partition(" - ")[2] for line in failed] == [
        "Failed: no-such-program is not installed. To get it: write it"
    ] * 2


def test_the_line_of_a_suite_is_found() -> None:
    assert skipped_inside(f"...\n{LINE}other (buy it): 3 tests\n1 passed") == f"{LINE}other (buy it): 3 tests"
    assert skipped_inside("1 passed") == ""


def test_the_phases_of_ci_stand_before_those_of_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(tmp_path, "phases", PHASES="whole suite 21 s") == ["phases: whole suite 21 s"]

    lines: list[str] = []
    reports = [
        pytest.TestReport(f"tests/{file}.py::test_it", ("", 0, ""), {}, "passed", None, "call", duration=duration)
        for file, duration in (("quick", 1.5), ("slow", 1.5), ("slow", 1.7))
    ]
    monkeypatch.setenv("PHASES", "whole suite 21 s")
    terminal = SimpleNamespace(stats={"passed": reports}, write_line=lines.append)
    phases.pytest_terminal_summary(cast("pytest.TerminalReporter", terminal))

    assert lines == ["phases: whole suite 21 s, tests/slow.py 3 s"]


def test_a_program_that_a_test_starts_reacts_to_sigint(tmp_path: Path) -> None:
    says = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"

    assert must([sys.executable, "-c", says], tmp_path) == "True\n"


def test_the_same_when_the_suite_was_started_with_sigint_ignored() -> None:
    # SIGINT is ignored as in a shell's background command (`&`)
    shell = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh"]
    before = f"{__file__}::{test_a_program_that_a_test_starts_reacts_to_sigint.__name__}"

    must([*shell, sys.executable, "-m", "pytest", "-n=1", before], ROOT)


def test_each_file_of_tests_is_in_a_lane() -> None:
    files = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    lanes = {name: lane_of(f"tests/{name}::test_it[a::b]") for name in files}

    for lane, expected in LANES.items():
        assert {name for name, found in lanes.items() if found == lane} == expected
    assert lanes["test_suite.py"] == OTHER
