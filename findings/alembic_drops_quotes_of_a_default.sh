#!/usr/bin/env bash
# Versions: alembic 1.20.1 with SQLAlchemy 2.1.9. Python 3.11.
#
# Belief: `alembic revision --autogenerate` writes the `server_default` of a column into the migration as the model has
# it, so the migrated table has the default of `metadata.create_all`.
#
# Observed: a text that begins or ends with a quotation mark loses the mark in the migration. SQLAlchemy itself quotes
# the text right. The migration runs, and the table has another default than the model; where the comparison of
# defaults is on, each later revision finds the same difference again.
#
# Output:
#   in the model: 'x'; in the migration: x
#   in the model: say 'x'; in the migration: say 'x
#   SQLAlchemy writes: c TEXT DEFAULT 'say ''x'''
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/defaults.py" <<'PROGRAM'
import re

import sqlalchemy as sa
from alembic.autogenerate import render_python_code
from alembic.operations import ops


def in_the_migration(default: str) -> str:
    column = sa.Column("c", sa.Text(), server_default=default)
    code = render_python_code(ops.UpgradeOps([ops.CreateTableOp("t", [column])]))
    (literal,) = re.findall(r"server_default=(.*), nullable", code)
    return eval(literal)


for default in ("'x'", "say 'x'"):
    print(f"in the model: {default}; in the migration: {in_the_migration(default)}")
table = sa.Table("t", sa.MetaData(), sa.Column("c", sa.Text(), server_default="say 'x'"))
print("SQLAlchemy writes:", *re.findall(r"c TEXT DEFAULT .*", str(sa.schema.CreateTable(table))))
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check alembic==1.20.1 sqlalchemy==2.1.9
found=$("$folder/venv/bin/python" "$folder/defaults.py")
echo "$found"
[[ $found == "in the model: 'x'; in the migration: x"$'\n'"in the model: say 'x'; in the migration: say 'x"$'\n'"SQLAlchemy writes: c TEXT DEFAULT 'say ''x'''" ]]
