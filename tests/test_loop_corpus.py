"""The gates of a new service notice each way of blocking the loop that we know, and leave correct code alone."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.loop_corpus.catalogue import KINDS, families, members
from tests.loop_corpus.gates import BEFORE_RUN_TIME, GATES, STATIC, Found, measure
from tests.loop_corpus.table import caught, measured, share, written
from tests.repository import render

BUSY = {"tests", "monitor"}
"""A busy machine makes a loop late, so these may notice more than the document says."""

HIDDEN = 4
"""And so many cases less: a busy machine also keeps the thread that looks at the loop from looking in time."""


@pytest.fixture(scope="module")
def found(service: Callable[[str], Path], template: Path, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What each gate of a new service notices."""
    return measure(render(template, tmp_path_factory.mktemp("judged"), {}), service("default") / ".venv")


def test_the_corpus_is_large() -> None:
    assert len(members("cases")) >= 60
    assert len(members("twins")) >= 25


def test_every_member_has_a_name_of_its_own() -> None:
    names = [member.name for kind in KINDS for member in members(kind)]

    assert len(set(names)) == len(names)
    assert [family.name for kind in KINDS for family in families(kind) if not family.members] == []


def test_nearly_all_is_noticed_before_run_time(found: Found) -> None:
    assert share(found, BEFORE_RUN_TIME) >= 0.9


def test_everything_is_noticed_in_the_end(found: Found) -> None:
    every = {member.name for member in members("cases")}

    assert every - caught(found, tuple(GATES), "cases") == set()


def test_no_static_gate_flags_correct_code(found: Found) -> None:
    assert caught(found, STATIC, "twins") == set()


@pytest.mark.parametrize("gate", sorted(BUSY))
def test_no_other_gate_flags_correct_code(found: Found, gate: str) -> None:
    assert caught(found, (gate,), "twins") == set()


def test_the_document_shows_what_is_noticed(found: Found) -> None:
    """`python -m tests.loop_corpus` writes it anew."""
    now = measured(found)
    different = [
        (case, gate, says)
        for case, gates in written().items()
        for gate, says in gates.items()
        if now.get(case, {}).get(gate) != says
    ]

    assert written().keys() == now.keys()
    assert [item for item in different if item[1] not in BUSY] == []
    for gate in BUSY:
        assert len([item for item in different if item[1:] == (gate, True)]) <= HIDDEN
