"""Which migrations this code was written for, read from the folder `migrations/`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from alembic.script import ScriptDirectory

FOLDER = Path(__file__).parents[2] / "migrations"


@dataclass(frozen=True, slots=True)
class Revisions:
    """The revisions in the folder and the newest of them."""

    head: str
    known: frozenset[str]

    @classmethod
    def read(cls, folder: Path = FOLDER) -> Self:
        """Read the folder; blocking, so only at start."""
        scripts = ScriptDirectory(str(folder))
        known = frozenset(script.revision for script in scripts.walk_revisions())
        return cls(head=scripts.get_current_head() or "", known=known)

    def missing(self, found: tuple[str, ...]) -> tuple[str, ...]:
        """Return why a database with these revisions does not do; empty when it does.

        A revision that the folder does not know was made by newer code. During a rolling update that is the normal
        case for the old copies, so it counts as good: migrations only ever add what the running code can ignore.
        """
        if self.head in found or (found and not self.known.issuperset(found)):
            return ()
        current = ", ".join(found) or "empty"
        return (f"the schema is behind: the database is at {current}, this code needs {self.head}; run the migrations",)
