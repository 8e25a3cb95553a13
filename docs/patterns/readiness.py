"""Readiness that knows the schema: new code is not ready before the migration, and old code stays ready afterwards."""

from pathlib import Path
from tempfile import TemporaryDirectory

from app.readiness.schema import PREFIX, Revisions

first, second, third = (f"{PREFIX}{number}" for number in "123")
with TemporaryDirectory() as folder:
    versions = Path(folder, "versions")
    versions.mkdir()
    (versions / "1.py").write_text(f'revision = "{first}"\ndown_revision = None\n', "utf-8")
    (versions / "2.py").write_text(f'revision = "{second}"\ndown_revision = "{first}"\n', "utf-8")
    code = Revisions.read(Path(folder))

(behind,) = code.missing((first,))
(foreign,) = code.missing(("of_a_different_service",))

assert "run the migrations" in behind
assert "a different service" in foreign
assert code.missing((second,)) == ()
assert code.missing((third,)) == ()  # during a rolling update, newer code has migrated the database already
