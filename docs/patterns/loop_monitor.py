"""A monitor of the event loop: a call that blocks the loop is reported with its duration and the stack of the call."""

import asyncio
import time

from app.observability.loop_monitor import LoopMonitor
from app.observability.stacks import Sample

reports: list[tuple[str, float, Sample | None]] = []


async def block() -> None:
    time.sleep(0.3)  # the mistake: a blocking call in a coroutine


async def main() -> None:
    with LoopMonitor(0.1, lambda *report: reports.append(report)):
        await asyncio.sleep(0.05)
        await block()
        await asyncio.sleep(0.05)


asyncio.run(main())
(event, seconds, sample), *_ = reports
assert event == "event loop was blocked"
assert seconds > 0.1
assert sample is not None
assert "block" in sample.stack
