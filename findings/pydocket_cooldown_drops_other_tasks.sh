#!/usr/bin/env bash
# Versions: pydocket 0.27.2 with its memory backend. Python 3.11.
#
# Belief: `customer: Annotated[int, Cooldown(...)]` on a task holds back a second run of that task for that customer,
# as `Cooldown(...)` without a parameter does for the whole task; another task has a cooldown of its own. `Retry` on the
# same task tries it again when it fails.
#
# Observed: the key of a Cooldown or a RateLimit of a parameter is made of the name of the parameter and its value,
# without the task: the invoice of customer 7 drops the password mail of customer 7, with a
# line at INFO. A retry is held back like a new call, so a task with a Cooldown that fails once is never tried again and
# ends as "cancelled". Give each a `scope="..."` of its own, and put no Cooldown on a task that has to be retried.
#
# Output:
#   Cooldown of a parameter: send_invoice(7) runs, send_password(7) is cancelled
#   RateLimit(3) of a parameter: 3 of 3 send_invoice(7) run, 0 of 3 send_password(7) run
#   Cooldown with a scope for each task: send_invoice(7) runs, send_password(7) runs
#   Retry(attempts=3): the task fails once and is completed after 2 runs
#   Retry(attempts=3) and Cooldown: the task fails once and is cancelled after 1 run
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/mails.py" <<'PROGRAM'
import asyncio
import logging
from collections import Counter
from datetime import timedelta
from typing import Annotated

from docket import Cooldown, Docket, RateLimit, Retry, Worker

logging.disable()
HOUR = timedelta(hours=1)
runs: Counter[str] = Counter()


async def send_invoice(customer: Annotated[int, Cooldown(HOUR)]) -> None:
    runs["send_invoice"] += 1


async def send_password(customer: Annotated[int, Cooldown(HOUR)]) -> None:
    runs["send_password"] += 1


async def limited_invoice(client: Annotated[int, RateLimit(3, per=HOUR, drop=True)]) -> None:
    runs["limited_invoice"] += 1


async def limited_password(client: Annotated[int, RateLimit(3, per=HOUR, drop=True)]) -> None:
    runs["limited_password"] += 1


async def scoped_invoice(user: Annotated[int, Cooldown(HOUR, scope="invoice")]) -> None:
    runs["scoped_invoice"] += 1


async def scoped_password(user: Annotated[int, Cooldown(HOUR, scope="password")]) -> None:
    runs["scoped_password"] += 1


async def retried(retry: Retry = Retry(attempts=3)) -> None:
    runs["retried"] += 1
    if runs["retried"] == 1:
        raise ConnectionError


async def cooled(retry: Retry = Retry(attempts=3), cooldown: Cooldown = Cooldown(HOUR)) -> None:
    runs["cooled"] += 1
    if runs["cooled"] == 1:
        raise ConnectionError


async def main() -> None:
    async with Docket("mails", url="memory://mails") as docket, Worker(docket, concurrency=1) as worker:

        async def state(function, *arguments: int) -> str:
            execution = await docket.add(function)(*arguments)
            await worker.run_until_finished()
            await execution.sync()
            return execution.state.value

        async def said(function, *arguments: int) -> str:
            told = await state(function, *arguments)
            return "runs" if told == "completed" else f"is {told}"

        first, second = await said(send_invoice, 7), await said(send_password, 7)
        print(f"Cooldown of a parameter: send_invoice(7) {first}, send_password(7) {second}")
        for function in limited_invoice, limited_password:
            for _ in range(3):
                await state(function, 7)
        print(
            f"RateLimit(3) of a parameter: {runs['limited_invoice']} of 3 send_invoice(7) run, "
            f"{runs['limited_password']} of 3 send_password(7) run"
        )
        first, second = await said(scoped_invoice, 7), await said(scoped_password, 7)
        print(f"Cooldown with a scope for each task: send_invoice(7) {first}, send_password(7) {second}")
        for title, function in ("Retry(attempts=3)", retried), ("Retry(attempts=3) and Cooldown", cooled):
            told = await state(function)
            count = runs[function.__name__]
            print(f"{title}: the task fails once and is {told} after {count} run{'s' * (count != 1)}")


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pydocket==0.27.2
found=$("$folder/venv/bin/python" -W ignore "$folder/mails.py")
echo "$found"
[[ $found == 'Cooldown of a parameter: send_invoice(7) runs, send_password(7) is cancelled
RateLimit(3) of a parameter: 3 of 3 send_invoice(7) run, 0 of 3 send_password(7) run
Cooldown with a scope for each task: send_invoice(7) runs, send_password(7) runs
Retry(attempts=3): the task fails once and is completed after 2 runs
Retry(attempts=3) and Cooldown: the task fails once and is cancelled after 1 run' ]]
