"""The report of the fault tests, and the table of tests with a defence switched off, show the recorded outcomes."""

from contextlib import suppress
from importlib import import_module
from pathlib import Path
from time import sleep

import pytest

from tests.databases import ROOT
from tests.faults import ablate, report, timeline
from tests.faults.clients import Answers
from tests.faults.defences import DEFENCES

TEST = "tests/faults/test_killed_worker.py::test_no_request_is_lost[<b>]"


def test_the_outcomes_of_requests_are_in_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(timeline.FOLDER, str(tmp_path))
    with timeline.recorded(TEST) as running:
        answers = Answers()
        answers.add(running.began, 200)
        timeline.mark("a worker is killed")
        answers.add_failure(running.began, "reset_reused")

    markdown, page = report.write(report.read(tmp_path), tmp_path)

    row = markdown.read_text("utf-8").splitlines()[-1]
    assert row.startswith("| killed worker: no request is lost[<b>] | NO | 0.")
    assert row.endswith("| 1 x 200, 1 x reset reused |")
    assert "0 of 1 fault tests passed" in page.read_text("utf-8")
    assert "a worker is killed" in page.read_text("utf-8")
    assert "<b>" not in page.read_text("utf-8")


def test_the_begin_and_the_end_of_a_fault_are_on_the_chart_also_when_the_test_fails(tmp_path: Path) -> None:
    with timeline.recorded(TEST) as running, suppress(AssertionError), timeline.fault("the database is away"):
        Answers().add(running.began, 503)
        sleep(0.02)
        raise AssertionError
    (mark,) = running.marks

    _, page = report.write([running], tmp_path)

    assert mark.end - mark.begin >= 0.02
    assert f"<li>A: {mark.time}, the database is away</li>" in page.read_text("utf-8")
    assert page.read_text("utf-8").count('class="edge"') == 2


def test_failed_tests_come_first_in_their_section(tmp_path: Path) -> None:
    found = [timeline.Timeline(f"test_a.py::test_{name}", passed=name != "failed") for name in ("good", "failed")]

    page = report.write(found, tmp_path)[1].read_text("utf-8")

    assert page.index("Failed:") < page.index("Good:")


@pytest.mark.parametrize(
    ("code", "output", "went_red"),
    [(1, "x\n1 failed in 2 s", True), (1, "1 error in 2 s", False), (0, "1 passed", False), (3, "1 failed", False)],
)
def test_only_a_failed_test_is_red(code: int, output: str, went_red: bool) -> None:
    assert ablate.Verdict(code, 1.0, output).went_red is went_red


def test_each_defence_exists_and_has_a_test() -> None:
    for defence in DEFENCES.values():
        file, _, name = defence.test.partition("::")
        assert f"def {name.partition('[')[0]}" in (ROOT / "tests" / file).read_text("utf-8")
        assert (ROOT / ablate.file_of(defence)).is_file()
        if not defence.part.startswith("gunicorn.conf"):
            import_module(defence.part.partition(":")[0])
        module, _, function = defence.replacement.rpartition(".")
        assert callable(getattr(import_module(f"tests.faults.ablated.{module or 'replacements'}"), function))


def test_a_table_replaces_the_lines_between_its_marks(tmp_path: Path) -> None:
    document = tmp_path / "faults.md"
    document.write_text(f"before\n{ablate.BEGIN}\nold\n{ablate.END}\nafter\n", "utf-8")

    ablate.write(list(ablate.table({"lingering close": False})), document)

    lines = document.read_text("utf-8").splitlines()
    assert (lines[0], lines[-1], "old" in lines) == ("before", "after", False)
    assert lines[-3].endswith("| STAYS GREEN |")
