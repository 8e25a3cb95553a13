"""Which migrations this code was written for, read from the folder `migrations/`.

The files are parsed, not run: to import alembic for this would cost 10 MB and 0.1 s at each start.
"""

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Self

FOLDER = Path(__file__).parents[2] / "migrations"

NO_MIGRATIONS = (".#", "__init__")
"""How the names of files start that alembic passes over too: an editor's lock, a package's first file."""


class RevisionsError(Exception):
    """The folder does not say which revision this code needs; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Revisions:
    """The revisions in the folder and the newest of them."""

    head: str
    known: frozenset[str]

    @classmethod
    def read(cls, folder: Path = FOLDER) -> Self:
        """Read the folder; blocking, so only at start.

        Raises:
            RevisionsError: there is no migration, one does not say what it is, or the history does not have one head.
        """
        files = sorted((folder / "versions").glob("*.py"))
        history = [_revision(file) for file in files if not file.name.startswith(NO_MIGRATIONS)]
        if not history:
            raise RevisionsError(f"No migration is in {folder / 'versions'}: was the folder left out of the image?")
        parents = {parent for _, its_parents in history for parent in its_parents}
        heads = [revision for revision, _ in history if revision not in parents]
        if len(heads) != 1:
            names = ", ".join(heads) or "none"
            raise RevisionsError(f"The migrations need one head, not {names}: join them with `alembic merge heads`.")
        return cls(head=heads[0], known=frozenset(revision for revision, _ in history))

    def missing(self, found: tuple[str, ...]) -> tuple[str, ...]:
        """Return why a database with these revisions does not do; empty when it does.

        A revision that the folder does not know was made by newer code. During a rolling update that is the normal
        case for the old copies, so it counts as good: migrations only ever add what the running code can ignore.
        """
        if self.head in found or (found and not self.known.issuperset(found)):
            return ()
        current = ", ".join(found) or "empty"
        return (f"the schema is behind: the database is at {current}, this code needs {self.head}; run the migrations",)


def _revision(file: Path) -> tuple[str, tuple[str, ...]]:
    """Return what a migration calls itself and its parents: a merge has several, the first migration has none."""
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
