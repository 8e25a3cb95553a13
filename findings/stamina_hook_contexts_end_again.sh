#!/usr/bin/env bash
# Versions: stamina 26.1.0, prometheus-client 0.26.0. Python 3.11.
#
# Belief: when a retry hook of stamina returns a context manager, stamina enters it when the retry is scheduled and
# exits it right before the retry, once. So `lambda details: WAITING.track_inprogress()` is a gauge of the calls that
# wait.
#
# Observed: a function under `@stamina.retry` has one list of these context managers for all of its calls, and nothing
# is ever taken from it. Each later attempt of each call, even one that succeeds at once, exits all of them again: after
# ten calls with one retry each the gauge is at -90, after twenty at -380. The list grows for the life of the process,
# and the time of each attempt with it. A call under `retry_context` begins with an empty list, so one retry is counted
# right and the second one is not.
#
# Output:
#   @retry: 10 calls with 1 retry each: entered 10, exited 100, gauge -90
#   @retry: 20 calls with 1 retry each: entered 20, exited 400, gauge -380
#   retry_context: 10 calls with 1 retry each: entered 10, exited 10, gauge 0
#   retry_context: 10 calls with 2 retries each: entered 20, exited 30, gauge -10
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/gauge.py" <<'PROGRAM'
import asyncio

import stamina
from prometheus_client import Gauge
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

WAITING = Gauge("waiting", "Calls that wait for their retry.")
entered = exited = 0


class Waiting:
    def __enter__(self) -> None:
        global entered
        entered += 1
        WAITING.inc()

    def __exit__(self, *error: object) -> None:
        global exited
        exited += 1
        WAITING.dec()


def waits(details: RetryDetails) -> Waiting:
    return Waiting()


set_on_retry_hooks([waits])
RULES = {"on": ConnectionError, "attempts": 3, "wait_initial": 0, "wait_jitter": 0}


async def read(failures: list[int]) -> None:
    if failures:
        failures.pop()
        raise ConnectionError


async def calls(title: str, number: int, retries: int) -> None:
    global entered, exited
    entered = exited = 0
    WAITING.set(0)
    decorated = stamina.retry(**RULES)(read)
    for _ in range(number):
        failures = [0] * retries
        if title == "@retry":
            await decorated(failures)
            continue
        async for attempt in stamina.retry_context(**RULES):
            with attempt:
                await read(failures)
    gauge = int(WAITING.collect()[0].samples[0].value)
    said = f"{retries} retr{'y' if retries == 1 else 'ies'} each"
    print(f"{title}: {number} calls with {said}: entered {entered}, exited {exited}, gauge {gauge}")


async def main() -> None:
    await calls("@retry", 10, 1)
    await calls("@retry", 20, 1)
    await calls("retry_context", 10, 1)
    await calls("retry_context", 10, 2)


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check stamina==26.1.0 prometheus-client==0.26.0
found=$("$folder/venv/bin/python" "$folder/gauge.py")
echo "$found"
[[ $found == '@retry: 10 calls with 1 retry each: entered 10, exited 100, gauge -90
@retry: 20 calls with 1 retry each: entered 20, exited 400, gauge -380
retry_context: 10 calls with 1 retry each: entered 10, exited 10, gauge 0
retry_context: 10 calls with 2 retries each: entered 20, exited 30, gauge -10' ]]
