"""A new service's checks find each known way to block the event loop, and do not report correct code."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.loop_corpus.catalogue import KINDS, members, topics
from tests.loop_corpus.checks import BEFORE_RUN_TIME, CHECKS, STATIC, Found, measure
from tests.loop_corpus.table import caught, caught_ratio, measured, written
from tests.repository import EVERYTHING, render

BUSY = {"tests", "monitor"}
"""Checks that may find more than the document says, as on a busy machine the event loop is late by chance."""

HIDDEN = 4
"""How many cases the checks at run time may miss: on a busy machine, the monitor's thread may look too late."""


@pytest.fixture(scope="module")
def found(service: Callable[[str], Path], template: Path, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """The routes of the corpus of blocking code that each check of a new service finds."""
    return measure(render(template, tmp_path_factory.mktemp("judged"), EVERYTHING), service("full") / ".venv")


def test_the_corpus_is_large() -> None:
    assert len(members("cases")) >= 60
    assert len(members("twins")) >= 25


def test_every_member_has_a_name_of_its_own() -> None:
    names = [member.name for kind in KINDS for member in members(kind)]

    assert len(set(names)) == len(names)
    assert [topic.name for kind in KINDS for topic in topics(kind) if not topic.members] == []


def test_nearly_all_is_noticed_before_run_time(found: Found) -> None:
    assert caught_ratio(found, BEFORE_RUN_TIME) >= 0.9


def test_everything_is_noticed_in_the_end(found: Found) -> None:
    every = {member.name for member in members("cases")}

    assert every - caught(found, tuple(CHECKS), "cases") == set()


def test_no_static_check_flags_correct_code(found: Found) -> None:
    assert caught(found, STATIC, "twins") == set()


@pytest.mark.parametrize("check", sorted(BUSY))
def test_no_other_check_flags_correct_code(found: Found, check: str) -> None:
    assert caught(found, (check,), "twins") == set()


def test_the_document_shows_what_is_noticed(found: Found) -> None:
    """The table in the document is up to date; `python -m tests.loop_corpus` updates the table."""
    now = measured(found)
    different = [
        (case, check, says)
        for case, checks in written().items()
        for check, says in checks.items()
        if now.get(case, {}).get(check) != says
    ]

    assert written().keys() == now.keys()
    assert [item for item in different if item[1] not in BUSY] == []
    for check in BUSY:
        assert len([item for item in different if item[1:] == (check, True)]) <= HIDDEN
