"""The schema check of readiness: does the database have the newest revision of the folder `migrations/`?

The migration files are parsed, not imported: importing alembic would cost 10 MB and 0.1 s at each start.
"""

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from app.errors import CannotStart

PREFIX = "{{ cookiecutter.project_slug }}".replace("-", "_") + "__"
"""The prefix of the ids of this service's migrations, by which the database of a different service is recognised."""

FOLDER = Path(__file__).parents[2] / "migrations"

NO_MIGRATIONS = (".#", "__init__")
"""The prefixes of files in the folder of migrations that are no migrations: `__init__.py`, and the lock files of
editors. Alembic skips these files too."""


class RevisionsError(CannotStart):
    """The folder `migrations/` has no single newest revision; the message says how to repair that."""


@dataclass(frozen=True, slots=True)
class Revisions:
    """The revisions of the folder `migrations/`; `head` is the newest revision."""

    head: str
    known: frozenset[str]

    @classmethod
    def read(cls, folder: Path = FOLDER) -> Self:
        """Read the revisions from the migration files; a blocking call, for the start only.

        Raises:
            RevisionsError: there is no migration, a file has no revision, or the history has no single head.
        """
        files = sorted((folder / "versions").glob("*.py"))
        history = [_revision(file) for file in files if not file.name.startswith(NO_MIGRATIONS)]
        if not history:
            raise RevisionsError(f"No migration is in {folder / 'versions'}: was the folder left out of the image?")
        parents = {parent for _, its_parents in history for parent in its_parents}
        heads = [revision for revision, _ in history if revision not in parents]
        if len(heads) != 1:
            names = ", ".join(heads) or "none"
            raise RevisionsError(f"The migrations need one head, not {names}: join them with `make merge`.")
        return cls(head=heads[0], known=frozenset(revision for revision, _ in history))

    def missing(self, found: tuple[str, ...]) -> tuple[str, ...]:
        """Return the reasons why this code cannot use a database with these revisions; empty when the schema fits.

        A revision of this service that the folder does not have comes from newer code. During a rolling update, old
        replicas find this revision, and accept the schema: migrations only add what running code can ignore. A revision
        without the name of this service comes from a different service, whose database this is.
        """
        if self.head in found:
            return ()
        if foreign := self.foreign(found):
            return (foreign,)
        if not self.known.issuperset(found):
            return ()
        current = ", ".join(found) or "empty"
        return (f"the schema is behind: the database is at {current}, this code needs {self.head}; run the migrations",)

    def foreign(self, found: Iterable[str]) -> str | None:
        """Return the reason why a database with these revisions belongs to a different service, else None."""
        names = [name for name in found if name not in self.known and not name.startswith(PREFIX)]
        if not names:
            return None
        return f"revision {', '.join(names)} is foreign: DATABASE_URL leads to the database of a different service"


def _revision(file: Path) -> tuple[str, tuple[str, ...]]:
    """Return the revision of a migration file and the parent revisions: several for a merge, none for the first."""
    values: dict[str, ast.expr] = {}
    for node in ast.parse(file.read_bytes(), filename=str(file)).body:
        if isinstance(node, ast.AnnAssign) and node.value:
            values[ast.unparse(node.target)] = node.value
        elif isinstance(node, ast.Assign):
            values |= {ast.unparse(target): node.value for target in node.targets}
    try:
        revision, parents = (ast.literal_eval(values[name]) for name in ("revision", "down_revision"))
    except (KeyError, ValueError):
        raise RevisionsError(f"{file} needs a `revision` and a `down_revision`, both literals.") from None
    return revision, (parents,) if isinstance(parents, str) else tuple(parents or ())
