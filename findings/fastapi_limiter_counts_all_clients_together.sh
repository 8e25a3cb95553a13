#!/usr/bin/env bash
# Versions: fastapi-limiter 0.2.0, pyrate-limiter 4.5.1, fastapi 0.165.0. Python 3.11.
#
# Belief: `RateLimiter(limiter=Limiter(Rate(3, Duration.MINUTE)))` of fastapi-limiter allows each client three requests
# a minute. Its identifier is by default the client's IP and the path, and that key is given to the limiter for each
# request.
#
# Observed: all clients and all routes of that RateLimiter share three requests a minute. Since 0.2.0 the package counts
# with pyrate-limiter, where a `Limiter` that was made from a `Rate` has one bucket; the key is the name of an item in
# it and not the choice of a bucket. One client that uses up the limit makes it 429 for all clients. A bucket for each
# key needs a BucketFactory of one's own.
#
# Output:
#   pyrate-limiter: alice True, alice True, alice True, bob False
#   fastapi-limiter: 10.0.0.1 200, 10.0.0.1 200, 10.0.0.1 200, 10.0.0.2 429, 10.0.0.3 on another route 429
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/limits.py" <<'PROGRAM'
import asyncio

import httpx
from fastapi import Depends, FastAPI
from fastapi_limiter.depends import RateLimiter
from pyrate_limiter import Duration, Limiter, Rate

app = FastAPI()
each = Depends(RateLimiter(limiter=Limiter(Rate(3, Duration.MINUTE))))


@app.get("/orders", dependencies=[each])
@app.get("/invoices", dependencies=[each])
async def answer() -> str:
    return "here"


async def status(client: str, path: str) -> int:
    transport = httpx.ASGITransport(app, client=(client, 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://finding") as http:
        return (await http.get(path)).status_code


async def main() -> None:
    limiter = Limiter(Rate(3, Duration.MINUTE))
    names = ["alice", "alice", "alice", "bob"]
    print("pyrate-limiter:", ", ".join(f"{name} {limiter.try_acquire(name, blocking=False)}" for name in names))
    calls = [f"10.0.0.1 {await status('10.0.0.1', '/orders')}" for _ in range(3)]
    calls.append(f"10.0.0.2 {await status('10.0.0.2', '/orders')}")
    calls.append(f"10.0.0.3 on another route {await status('10.0.0.3', '/invoices')}")
    print("fastapi-limiter:", ", ".join(calls))


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    fastapi-limiter==0.2.0 pyrate-limiter==4.5.1 fastapi==0.165.0 httpx==0.28.1
found=$("$folder/venv/bin/python" "$folder/limits.py")
echo "$found"
[[ $found == $'pyrate-limiter: alice True, alice True, alice True, bob False
fastapi-limiter: 10.0.0.1 200, 10.0.0.1 200, 10.0.0.1 200, 10.0.0.2 429, 10.0.0.3 on another route 429' ]]
