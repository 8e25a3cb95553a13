#!/usr/bin/env bash
# Versions: uvloop 0.23.0. Python 3.11.
#
# Belief: `loop.call_later()` returns an asyncio.TimerHandle, as the documentation of asyncio says, so `handle.when()`
# tells the moment of any timer. Code that keeps the moment of a deadline reads it from there.
#
# Observed: uvloop turns a timer of less than half a millisecond into a plain callback, and returns a Handle without
# `when()`. The same line works for each longer timer and under asyncio's own loop, so it fails for the rare request
# whose time is used up: an AttributeError in the place of a timeout.
#
# Output:
#   asyncio: 0 s has when, 0.01 s has when
#   uvloop: 0 s has no when, 0.01 s has when
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/timers.py" <<'PROGRAM'
import asyncio

import uvloop


async def describe() -> str:
    loop = asyncio.get_running_loop()
    timers = {seconds: loop.call_later(seconds, int) for seconds in (0, 0.01)}
    return ", ".join(f"{seconds} s has {'when' if hasattr(timer, 'when') else 'no when'}" for seconds, timer in timers.items())


print("asyncio:", asyncio.run(describe()))
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    print("uvloop:", runner.run(describe()))
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check uvloop==0.23.0
found=$("$folder/venv/bin/python" "$folder/timers.py")
echo "$found"
[[ $found == $'asyncio: 0 s has when, 0.01 s has when\nuvloop: 0 s has no when, 0.01 s has when' ]]
