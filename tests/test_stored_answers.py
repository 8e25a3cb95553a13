"""Answers that services have stored in `.cruft.json` can always be rendered, as questions are a public interface.

`tests/answers/` has the questions of each released tag, and those of the branch `main` before the first release. A
service whose answers no longer render can never be updated again.
"""

import json
from pathlib import Path

import pytest

from tests.repository import QUESTIONS, ROOT, Answers, render

RELEASES = sorted((ROOT / "tests/answers").glob("*.json"))


def rows(release: Path) -> list[Answers]:
    """Return sets of answers in which each value of each question of a release occurs at least once."""
    questions = json.loads(release.read_text("utf-8"))
    values = {name: found if isinstance(found, list) else [found] for name, found in questions.items()}
    longest = max(map(len, values.values()))
    return [{name: found[min(row, len(found) - 1)] for name, found in values.items()} for row in range(longest)]


ROWS = [
    pytest.param(answers, id=f"{file.stem}-{number}") for file in RELEASES for number, answers in enumerate(rows(file))
]


@pytest.mark.parametrize("answers", ROWS)
def test_stored_answers_render(template: Path, tmp_path: Path, answers: Answers) -> None:
    service = render(template, tmp_path, answers)

    stored = json.loads((service / ".cruft.json").read_text("utf-8"))["context"]["cookiecutter"]
    assert stored == stored | answers


@pytest.mark.parametrize("release", RELEASES, ids=lambda file: file.stem)
def test_no_question_changed_its_kind_and_no_value_is_gone(release: Path) -> None:
    for name, values in json.loads(release.read_text("utf-8")).items():
        now = QUESTIONS.get(name, values)  # a question that was removed is ignored

        assert isinstance(now, list) == isinstance(values, list)
        assert not isinstance(values, list) or set(values) <= set(now)
