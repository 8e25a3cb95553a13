"""Each answer is switched through all values and back, between two features of the user, and leaves no trace.

The rendered services are compared byte for byte. The user's lines are below `# yours below`, the template's above, so
there is no conflict.
"""

import shutil
from pathlib import Path

import pytest

from tests.repository import LISTED
from tests.updating import add_feature, commit, service_in, template_in, tool, tree

WALKS = [("example", "proofs", "jobs", "auth", "http_client", "deploy", "ci", "licence")]
"""The questions of each test: a single update switches answers to several questions, as each update costs seconds."""

CHOICES = LISTED | {"http_client": [answer for answer in LISTED["http_client"] if answer != "none"]}
"""The values of each question to switch through.

"No client" is left out, as the update would stop at the downstream of a user's feature.
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a service with the default answers, to which a user has added a feature."""
    place = tmp_path_factory.mktemp("switches")
    folder = service_in(place, template_in(place), {})
    add_feature(folder, "reviews")
    return commit(folder)


def with_second_feature(service: Path) -> Path:
    """Add a second user's feature to a service, and commit."""
    add_feature(service, "invoices")
    return commit(service)


@pytest.mark.parametrize("questions", WALKS, ids="+".join)
def test_answers_that_are_switched_and_switched_back_leave_nothing(
    service: Path, tmp_path: Path, questions: tuple[str, ...]
) -> None:
    switched, expected = (shutil.copytree(service, tmp_path / name, symlinks=True) for name in ("one", "other"))
    steps = max(len(CHOICES[question]) for question in questions)
    seen = {tree(switched)}

    for step in range(1, steps + 1):
        chosen = {question: [*CHOICES[question][step:], CHOICES[question][0]][0] for question in questions}
        done = tool(switched, "update", *(f"--set={question}={answer}" for question, answer in chosen.items()))
        assert (done.returncode, "CONFLICT" in done.stdout) == (0, False), done.stdout + done.stderr
        commit(switched)
        if step == 1:
            with_second_feature(switched)
        seen.add(tree(switched))

    assert len(seen) == steps + 1
    assert tree(switched) == tree(with_second_feature(expected))


def test_every_question_with_a_list_of_answers_is_switched() -> None:
    assert {question for questions in WALKS for question in questions} == set(LISTED)


def test_a_service_without_a_client_gets_one_and_loses_it_again(tmp_path: Path) -> None:
    folder = service_in(tmp_path, template_in(tmp_path), {"example": "no", "http_client": "none"})
    add_feature(folder, "reviews")
    before = tree(commit(folder))

    for client in ("httpx", "none"):
        done = tool(folder, "update", f"--set=http_client={client}")
        assert (done.returncode, "CONFLICT" in done.stdout) == (0, False), done.stdout + done.stderr
        assert (tree(commit(folder)) == before) is (client == "none")
