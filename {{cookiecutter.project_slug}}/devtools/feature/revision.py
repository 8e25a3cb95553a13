"""Writes the migration that creates the table of a new model, and the new settings into `.env.example`.

A process of its own imports the new files. It needs no database, as `make migration` does.
"""

import sys
from pathlib import Path
from typing import Any

from alembic.autogenerate import render_python_code
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import ops
from alembic.script import ScriptDirectory
from alembic.util import rev_id

from app.database.base import Base
from app.readiness.schema import PREFIX, Revisions
from devtools.env_example import FILE, completed, settings_of
from migrations.autogenerate import load_models

if __name__ == "__main__":
    load_models()
    name = sys.argv[1]
    creation = ops.UpgradeOps([ops.CreateTableOp.from_table(Base.metadata.tables[name])])
    upgrades = render_python_code(creation, migration_context=MigrationContext.configure(dialect_name="postgresql"))
    parts: dict[str, Any] = {"upgrades": upgrades, "downgrades": f'op.drop_table("{name}")', "imports": ""}
    scripts = ScriptDirectory.from_config(Config(toml_file=FILE.with_name("pyproject.toml")))
    script = scripts.generate_revision(PREFIX + rev_id(), f"add {name}", Revisions.read().head, **parts)
    FILE.write_text(completed(FILE.read_text("utf-8"), settings_of()), "utf-8", newline="\n")
    print(Path(script.path if script else "").relative_to(FILE.parent).as_posix())
