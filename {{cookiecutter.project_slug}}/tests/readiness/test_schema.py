"""The service reads the revisions in the migrations folder without alembic, with the same result as alembic."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from app.readiness.schema import FOLDER, Revisions, RevisionsError
from tests.databases import ROOT

HISTORY = {
    "1_root.py": 'revision: str = "1"\ndown_revision: str | None = None',
    "2_left.py": 'import math\nlabels: set[float] = {math.pi}\nrevision = "2"\ndown_revision = "1"',
    "3_right.py": 'revision = "3"\ndown_revision: tuple[str, ...] = ("1",)\ndepends_on = "2"',
    "__init__.py": "",
    ".#2_left.py": "an editor's lock",
}
MERGE = 'revision: str = "4"\ndown_revision: tuple[str, ...] = ("2", "3")'
UNCLEAR = "{file} needs a `revision` and a `down_revision`, both literals."


def write_migrations(folder: Path, files: dict[str, str]) -> Path:
    (folder / "versions").mkdir()
    for name, source in files.items():
        (folder / "versions" / name).write_text(source, encoding="utf-8")
    return folder


def seen_by_alembic(folder: Path) -> Revisions:
    scripts = ScriptDirectory(str(folder))
    known = frozenset(script.revision for script in scripts.walk_revisions())
    return Revisions(head=scripts.get_current_head() or "", known=known)


def test_the_migrations_are_read_as_alembic_reads_them() -> None:
    assert Revisions.read() == seen_by_alembic(FOLDER)


def test_a_merge_is_read_as_alembic_reads_it(tmp_path: Path) -> None:
    folder = write_migrations(tmp_path, HISTORY | {"4_merge.py": MERGE})

    assert Revisions.read(folder) == seen_by_alembic(folder) == Revisions(head="4", known=frozenset("1234"))


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "No migration is in {folder}: was the folder left out of the image?"),
        (HISTORY, "The migrations need one head, not 2, 3: join them with `make merge`."),
        ({"5.py": "revision: str"}, UNCLEAR),
        ({"5.py": "revision = '5'"}, UNCLEAR),
        ({"5.py": "revision = str(5)\ndown_revision = None"}, UNCLEAR),
    ],
)
def test_the_start_fails_when_it_is_unclear_what_the_code_needs(
    tmp_path: Path, files: dict[str, str], reason: str
) -> None:
    with pytest.raises(RevisionsError) as caught:
        Revisions.read(write_migrations(tmp_path, files))

    versions = tmp_path / "versions"
    assert str(caught.value) == reason.format(folder=versions, file=versions / "5.py")


def test_the_start_fails_without_the_folder(tmp_path: Path) -> None:
    with pytest.raises(RevisionsError, match="No migration"):
        Revisions.read(tmp_path / "missing")


def test_the_service_does_not_import_alembic() -> None:
    """The service does not import alembic, which would cost 10 MB and 0.1 s at the start of each process."""
    program = "import sys, app.main; print(sorted(sys.modules.keys() & {'alembic', 'mako'}))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True)

    assert done.stdout.split() == [b"[]"]
