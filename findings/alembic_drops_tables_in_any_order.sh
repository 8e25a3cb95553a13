#!/usr/bin/env bash
# Versions: alembic 1.20.1 with SQLAlchemy 2.1.9 and SQLite. Python 3.11.
#
# Belief: autogenerate drops a table after the tables that refer to it, as it creates tables in the order of their foreign
# keys, so that the removal of two related models gives a migration that runs.
#
# Observed: the tables without a model are taken from a set of their names, so the order changes with Python's hash seed,
# from run to run. In half of the runs the table that is referred to comes first, and PostgreSQL would refuse to drop it.
#
# Output, eight hash seeds, each with the order of the two drops:
#   child, parent
#   parent, child
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/dropped.py" <<'PROGRAM'
import sqlalchemy as sa
from alembic.autogenerate import produce_migrations
from alembic.migration import MigrationContext
from alembic.operations import ops

engine = sa.create_engine("sqlite://")
tables = sa.MetaData()
sa.Table("parent", tables, sa.Column("id", sa.Integer, primary_key=True))
sa.Table("child", tables, sa.Column("id", sa.Integer, primary_key=True), sa.Column("of", sa.ForeignKey("parent.id")))
with engine.connect() as connection:
    tables.create_all(connection)
    script = produce_migrations(MigrationContext.configure(connection), sa.MetaData())
print(*(step.table_name for step in script.upgrade_ops.ops if isinstance(step, ops.DropTableOp)), sep=", ")
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check alembic==1.20.1 sqlalchemy==2.1.9
found=$(for seed in 0 1 2 3 4 5 6 7; do PYTHONHASHSEED=$seed "$folder/venv/bin/python" "$folder/dropped.py"; done | sort -u)
echo "$found"
[[ $found == "child, parent"$'\n'"parent, child" ]]
