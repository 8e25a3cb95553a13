#!/usr/bin/env bash
# Versions: apscheduler 3.11.3. Python 3.11.
#
# Belief: `scheduler.shutdown(wait=True)`, which is also the default, lets the jobs that are running come to their end.
# Its documentation says that it interrupts no job, and teams call it in the shutdown part of a lifespan.
#
# Observed: AsyncIOScheduler does not wait. The job is cancelled in the middle, `shutdown()` returns at once and without
# an error, and a job of two steps has done the first only. The same job as a plain function in the thread pool of the
# same scheduler comes to its end. Keep the tasks of jobs in a set of one's own and wait for them before `shutdown()`.
#
# Output:
#   coroutine, shutdown(wait=True): first step, CancelledError
#   plain function, shutdown(wait=True): first step, second step
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/jobs.py" <<'PROGRAM'
import asyncio
import logging
import time

from apscheduler.schedulers.asyncio import AsyncIOScheduler

logging.disable()


async def main() -> None:
    for kind in ("coroutine", "plain function"):
        steps: list[str] = []

        async def coroutine() -> None:
            steps.append("first step")
            try:
                await asyncio.sleep(0.5)
            except asyncio.CancelledError:
                steps.append("CancelledError")
                raise
            steps.append("second step")

        def plain_function() -> None:
            steps.append("first step")
            time.sleep(0.5)
            steps.append("second step")

        scheduler = AsyncIOScheduler()
        scheduler.start()
        scheduler.add_job(coroutine if kind == "coroutine" else plain_function)
        while not steps:
            await asyncio.sleep(0.01)
        scheduler.shutdown(wait=True)
        await asyncio.sleep(2)
        print(f"{kind}, shutdown(wait=True): {', '.join(steps)}")


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check apscheduler==3.11.3
found=$("$folder/venv/bin/python" "$folder/jobs.py")
echo "$found"
[[ $found == $'coroutine, shutdown(wait=True): first step, CancelledError
plain function, shutdown(wait=True): first step, second step' ]]
