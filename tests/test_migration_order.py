"""Before an update merges files, the template's new migrations are chained after a service's own migrations."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from tests.repository import SERVICE

FILE = SERVICE / "devtools/template/migrations.py"
ONE_TWO = {"a": None, "b": "a"}


def rechain(service: Path, old: Path, new: Path) -> list[str]:
    """Call the function `rechain` of the service's migrations module, which is loaded from the file."""
    spec = importlib.util.spec_from_file_location("migrations_of_a_service", FILE)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.rechain(service, old, new))


def write(folder: Path, history: dict[str, str | tuple[str, ...] | None]) -> Path:
    """Write a migration file for each revision; a merge has several parents, each on a separate line of the file."""
    versions = folder / "migrations/versions"
    versions.mkdir(parents=True)
    for revision, parents in history.items():
        found = "(\n    " + ",\n    ".join(map(repr, parents)) + ",\n)" if isinstance(parents, tuple) else repr(parents)
        text = f"revision: str = {revision!r}\ndown_revision: str | None = {found}\nbranch_labels = None\n"
        (versions / f"{revision}.py").write_text(text)
    return folder


@pytest.fixture
def call(tmp_path: Path) -> Any:  # noqa: ANN401 - a function of three migration histories
    """Return a function that chains the migrations of two templates for a service.

    The function returns the printed lines, and the parents of the migrations in the old and the new template.
    """

    def run(own: Any, old: Any, new: Any) -> tuple[list[str], dict[str, str], dict[str, str]]:  # noqa: ANN401
        service, before, after = (
            write(tmp_path / name, each) for name, each in (("own", own), ("old", old), ("new", new))
        )
        return rechain(service, before, after), parents(before), parents(after)

    return run


def parents(folder: Path) -> dict[str, str]:
    """Return the parents of each migration, as the migration's file names these."""
    texts = {file.stem: file.read_text() for file in (folder / "migrations/versions").glob("*.py")}
    return {name: text.partition("| None = ")[2].partition("\nbranch")[0] for name, text in texts.items()}


def test_a_new_migration_follows_the_newest_of_the_service_and_the_next_follows_it(call: Any) -> None:  # noqa: ANN401
    lines, _, new = call({**ONE_TWO, "mine": "b"}, ONE_TWO, {**ONE_TWO, "c": "b", "d": "c"})

    assert (new["c"], new["d"]) == ('"mine"', '"c"')
    assert lines == ["c.py follows mine: `make migrate` runs it.", "d.py follows c: `make migrate` runs it."]


def test_a_new_migration_follows_a_merge_of_the_service(call: Any) -> None:  # noqa: ANN401
    own = {**ONE_TWO, "one": "b", "two": "b", "merge": ("one", "two")}

    assert call(own, ONE_TWO, {**ONE_TWO, "c": "b"})[2]["c"] == '"merge"'


def test_a_migration_that_moved_at_its_arrival_stays_where_it_is(call: Any) -> None:  # noqa: ANN401
    """A migration that an update moved behind the service's own migration stays there in later updates.

    Template and service then name the same parents, so that a later removal of the migration makes no conflict.
    """
    lines, old, new = call({**ONE_TWO, "mine": "b", "c": "mine"}, {**ONE_TWO, "c": "b"}, {**ONE_TWO, "c": "b"})

    assert (lines, old["c"], new["c"]) == ([], "'mine'", "'mine'")


def test_the_template_cannot_put_a_migration_below_one_that_ran(call: Any) -> None:  # noqa: ANN401
    """The template cannot put a new migration below a migration that has run.

    A database that has run migration b never runs an earlier migration, so the new migration follows b.
    """
    _, _, new = call(ONE_TWO, ONE_TWO, {"a": None, "aa": "a", "b": "aa"})

    assert (new["aa"], new["b"]) == ('"b"', "'a'")


def test_a_migration_that_nothing_follows_goes_with_a_warning(call: Any) -> None:  # noqa: ANN401
    lines, _, new = call({**ONE_TWO, "c": "b"}, {**ONE_TWO, "c": "b"}, ONE_TWO)

    assert "c" not in new
    assert lines == ["c.py goes: if a database has run it, `git checkout HEAD -- migrations/versions/c.py`."]


def test_migrations_stay_that_one_of_the_service_follows(call: Any) -> None:  # noqa: ANN401
    template = {**ONE_TWO, "c": "b", "d": "c"}
    lines, old, new = call({**template, "mine": "d"}, template, ONE_TWO)

    assert new == old
    assert [line.partition(",")[0] for line in lines] == ["d.py stays", "c.py stays"]


def test_a_migration_that_stayed_is_not_added_again(call: Any) -> None:  # noqa: ANN401
    own = {**ONE_TWO, "mine": "b", "c": "mine", "next": "c"}
    lines, _, new = call(own, ONE_TWO, {**ONE_TWO, "c": "b"})

    assert (lines, new["c"]) == ([], "'mine'")


def test_two_newest_migrations_are_refused(call: Any) -> None:  # noqa: ANN401
    with pytest.raises(SystemExit, match="cannot follow one and two: join them by `make merge`"):
        call({**ONE_TWO, "one": "b", "two": "b"}, ONE_TWO, {**ONE_TWO, "c": "b"})


def test_a_service_without_migrations_takes_them_as_they_are(call: Any) -> None:  # noqa: ANN401
    assert call({}, {}, ONE_TWO)[2] == {"a": "None", "b": "'a'"}
