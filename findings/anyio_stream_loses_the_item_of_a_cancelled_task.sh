#!/usr/bin/env bash
# Versions: anyio 4.16.0 on asyncio. Python 3.11.
#
# Belief: an item of a memory object stream is either handled by a receiver or still in the stream. When a worker is
# cancelled at shutdown, what it has not received can be read from the stream and stored, as with asyncio.Queue.
#
# Observed: the stream hands an item to the receiver that waits, and not to the buffer. With a cancel scope of anyio
# that receiver gets its item before it is cancelled. `task.cancel()` and asyncio.timeout cancel it although the item is
# on its way: `receive()` raises, and the item is nowhere. The sender was told that it is sent, also without a buffer. A
# shutdown in the turn in which items came loses one for each worker that waited, a deadline loses one. Cancel receivers
# with a cancel scope of anyio only, or use asyncio.Queue.
#
# Output:
#   asyncio.Queue, task.cancel(): 3 sent, 0 handled, 3 left, 0 lost
#   stream, cancel scope of anyio: 3 sent, 1 handled, 2 left, 0 lost
#   stream, task.cancel(): 3 sent, 0 handled, 2 left, 1 lost
#   stream, asyncio.timeout ends in the same turn: 3 sent, 0 handled, 2 left, 1 lost
#   stream, ten workers, task.cancel(): 30 sent, 0 handled, 20 left, 10 lost
#   stream without a buffer, task.cancel() after send(): 1 sent, 0 handled, 0 left, 1 lost
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/items.py" <<'PROGRAM'
import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream

Get = Callable[[], Awaitable[int]]


async def worker(get: Get, handled: list[int]) -> None:
    while True:
        handled.append(await get())


def report(title: str, sent: int, handled: list[int], left: int) -> None:
    lost = sent - len(handled) - left
    print(f"{title}: {sent} sent, {len(handled)} handled, {left} left, {lost} lost")


def count(receive: MemoryObjectReceiveStream[int]) -> int:
    return receive.statistics().current_buffer_used


async def queue_and_cancel() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()
    handled: list[int] = []
    task = asyncio.create_task(worker(queue.get, handled))
    await asyncio.sleep(0.1)
    for item in range(3):
        queue.put_nowait(item)
    task.cancel()
    await asyncio.wait([task])
    report("asyncio.Queue, task.cancel()", 3, handled, queue.qsize())


async def stream_and_scope() -> None:
    send, receive = anyio.create_memory_object_stream[int](100)
    handled: list[int] = []
    async with send, receive:
        async with anyio.create_task_group() as group:
            group.start_soon(worker, receive.receive, handled)
            await asyncio.sleep(0.1)
            for item in range(3):
                send.send_nowait(item)
            group.cancel_scope.cancel()
        report("stream, cancel scope of anyio", 3, handled, count(receive))


async def stream_and_cancel() -> None:
    send, receive = anyio.create_memory_object_stream[int](100)
    handled: list[int] = []
    async with send, receive:
        task = asyncio.create_task(worker(receive.receive, handled))
        await asyncio.sleep(0.1)
        for item in range(3):
            send.send_nowait(item)
        task.cancel()
        await asyncio.wait([task])
        report("stream, task.cancel()", 3, handled, count(receive))


async def stream_and_timeout() -> None:
    send, receive = anyio.create_memory_object_stream[int](100)
    handled: list[int] = []
    loop = asyncio.get_running_loop()

    async def with_deadline() -> None:
        with suppress(TimeoutError):
            async with deadline:
                await worker(receive.receive, handled)

    async with send, receive:
        deadline = asyncio.timeout(None)
        task = asyncio.create_task(with_deadline())
        await asyncio.sleep(0.1)
        deadline.reschedule(loop.time())
        for item in range(3):
            send.send_nowait(item)
        await asyncio.wait([task])
        report("stream, asyncio.timeout ends in the same turn", 3, handled, count(receive))


async def ten_workers() -> None:
    send, receive = anyio.create_memory_object_stream[int](100)
    handled: list[int] = []
    async with send, receive:
        tasks = [asyncio.create_task(worker(receive.receive, handled)) for _ in range(10)]
        await asyncio.sleep(0.1)
        for item in range(30):
            send.send_nowait(item)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        report("stream, ten workers, task.cancel()", 30, handled, count(receive))


async def no_buffer() -> None:
    send, receive = anyio.create_memory_object_stream[int](0)
    handled: list[int] = []
    async with send, receive:
        task = asyncio.create_task(worker(receive.receive, handled))
        await asyncio.sleep(0.1)
        await send.send(1)
        task.cancel()
        await asyncio.wait([task])
        report("stream without a buffer, task.cancel() after send()", 1, handled, count(receive))


async def main() -> None:
    await queue_and_cancel()
    await stream_and_scope()
    await stream_and_cancel()
    await stream_and_timeout()
    await ten_workers()
    await no_buffer()


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check anyio==4.16.0
found=$("$folder/venv/bin/python" "$folder/items.py")
echo "$found"
[[ $found == 'asyncio.Queue, task.cancel(): 3 sent, 0 handled, 3 left, 0 lost
stream, cancel scope of anyio: 3 sent, 1 handled, 2 left, 0 lost
stream, task.cancel(): 3 sent, 0 handled, 2 left, 1 lost
stream, asyncio.timeout ends in the same turn: 3 sent, 0 handled, 2 left, 1 lost
stream, ten workers, task.cancel(): 30 sent, 0 handled, 20 left, 10 lost
stream without a buffer, task.cancel() after send(): 1 sent, 0 handled, 0 left, 1 lost' ]]
