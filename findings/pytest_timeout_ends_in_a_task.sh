#!/usr/bin/env bash
# Versions: pytest 9.2.0 with pytest-timeout 2.4.0. Python 3.11.
#
# Belief: `timeout = 1` of pytest-timeout fails each test that takes longer, also a test of asyncio, and its traceback
# shows the code that was slow.
#
# Observed: the signal raises where the main thread stands. While the loop waits, that is the test, which fails. When a
# task or a callback keeps the loop busy at that moment, the exception is the end of that task, and asyncio keeps it
# there: the test goes on without a limit and passes. `gather(return_exceptions=True)` gives it to the test as a value.
# So the one kind of slow code that a service must not have, code that blocks the loop, is the kind that passes.
#
# Output:
#   test_the_loop_waits: failed after its timeout
#   test_a_background_task_blocks: passed after more than twice its timeout
#   test_a_callback_blocks: passed after more than twice its timeout
#   test_a_gathered_task_blocks: passed with a list of one Failed
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/test_limits.py" <<'TEST'
import asyncio
import time

import pytest

pytestmark = pytest.mark.timeout(0.5, method="signal")


async def blocks():
    time.sleep(1)


def test_the_loop_waits():
    asyncio.run(asyncio.sleep(1.5))


def test_a_background_task_blocks():
    async def main():
        began = time.monotonic()
        task = asyncio.create_task(blocks())
        await asyncio.sleep(1.5)
        assert task.done()
        assert time.monotonic() - began > 1

    asyncio.run(main())
    print("after more than twice its timeout")


def test_a_callback_blocks():
    async def main():
        began = time.monotonic()
        asyncio.get_running_loop().call_soon(time.sleep, 1)
        await asyncio.sleep(1.5)
        assert time.monotonic() - began > 1

    asyncio.run(main())
    print("after more than twice its timeout")


def test_a_gathered_task_blocks():
    async def main():
        [found] = await asyncio.gather(blocks(), return_exceptions=True)
        print("with a list of one", type(found).__name__)

    asyncio.run(main())
TEST

cat > "$folder/conftest.py" <<'CONFTEST'
def pytest_runtest_logreport(report):
    if report.when == "call":
        said = "after its timeout" if "pytest-timeout" in report.longreprtext else report.capstdout.strip()
        with open("report", "a") as file:
            file.write(f"{report.head_line}: {report.outcome} {said}\n")
CONFTEST

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pytest==9.2.0 pytest-timeout==2.4.0
(cd "$folder" && venv/bin/python -m pytest -q test_limits.py >/dev/null 2>&1) || true
found=$(cat "$folder/report")
echo "$found"
[[ $found == $'test_the_loop_waits: failed after its timeout
test_a_background_task_blocks: passed after more than twice its timeout
test_a_callback_blocks: passed after more than twice its timeout
test_a_gathered_task_blocks: passed with a list of one Failed' ]]
