"""The report of the fault tests, and the table of what is left out: made of what was seen, and of nothing else."""

from importlib import import_module
from pathlib import Path

import pytest

from tests.databases import ROOT
from tests.faults import ablate, report, timeline
from tests.faults.clients import Answers
from tests.faults.defences import DEFENCES
from tests.faults.without import instead

TEST = "tests/faults/test_killed_worker.py::test_nobody_notices[<b>]"


def test_what_clients_saw_is_in_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(timeline.FOLDER, str(tmp_path))
    with timeline.recorded(TEST) as one:
        answers = Answers()
        answers.add(one.began, 200)
        timeline.mark("a worker is killed")
        answers.add_failure(one.began, "reset_reused")

    markdown, page = report.write(report.read(tmp_path), tmp_path)

    row = markdown.read_text("utf-8").splitlines()[-1]
    assert row.startswith("| killed worker: nobody notices[<b>] | NO | 0.")
    assert row.endswith("| 1 x 200, 1 x reset reused |")
    assert "0 of 1 faults held" in page.read_text("utf-8")
    assert "a worker is killed" in page.read_text("utf-8")
    assert "<b>" not in page.read_text("utf-8")


@pytest.mark.parametrize(
    ("code", "output", "noticed"),
    [(1, "x\n1 failed in 2 s", True), (1, "1 error in 2 s", False), (0, "1 passed", False), (3, "1 failed", False)],
)
def test_only_a_test_that_failed_has_noticed(code: int, output: str, noticed: bool) -> None:
    assert ablate.Verdict(code, 1.0, output).noticed is noticed


def test_each_defence_is_there_and_has_a_test() -> None:
    for one in DEFENCES.values():
        file, _, name = one.test.partition("::")
        assert f"def {name.partition('[')[0]}" in (ROOT / "tests/faults" / file).read_text("utf-8")
        assert (ROOT / ablate.file_of(one)).is_file()
        if not one.part.startswith("gunicorn.conf"):
            import_module(one.part.partition(":")[0])
        assert callable(getattr(instead, one.instead))


def test_a_table_takes_the_place_between_its_marks(tmp_path: Path) -> None:
    document = tmp_path / "faults.md"
    document.write_text(f"before\n{ablate.BEGIN}\nold\n{ablate.END}\nafter\n", "utf-8")

    ablate.write(list(ablate.table({"linger": False})), document)

    lines = document.read_text("utf-8").splitlines()
    assert (lines[0], lines[-1], "old" in lines) == ("before", "after", False)
    assert lines[-3].endswith("| STAYS GREEN |")
