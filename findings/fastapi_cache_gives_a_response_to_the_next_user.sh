#!/usr/bin/env bash
# Versions: fastapi-cache2 0.2.2 with fastapi 0.165.0, the newest of both; jinja2 3.1.6. Python 3.11.
#
# Belief: `@cache(expire=60)` on a route keeps responses by their request. A route that finds out its user from the
# `Request`, by a header, a cookie or `request.state`, gets an entry for each user, or at least for each URL.
#
# Observed: the default key is the name of the function and its parameters, without the `Request` and the `Response`. Bob
# gets the response of Alice, also under a different query string, with `Cache-Control: max-age=60` and no `private`,
# so that a shared proxy may keep it too. The package does not import without jinja2, which it does not require.
#
# Output:
#   without jinja2: ImportError
#   Alice: hello Alice
#   Bob: hello Alice, max-age=60
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/cached.py" <<'PROGRAM'
import asyncio

import httpx
from fastapi import FastAPI, Request
from fastapi_cache import FastAPICache
from fastapi_cache.backends.inmemory import InMemoryBackend
from fastapi_cache.decorator import cache

app = FastAPI()
FastAPICache.init(InMemoryBackend())


@app.get("/me")
@cache(expire=60)
async def me(request: Request) -> str:
    return f"hello {request.headers['Authorization']}"


async def main() -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service") as client:
        alice = await client.get("/me", headers={"Authorization": "Alice"})
        bob = await client.get("/me?page=2", headers={"Authorization": "Bob"})
    print("Alice:", alice.json())
    print(f"Bob: {bob.json()}, {bob.headers['Cache-Control']}")


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check fastapi-cache2==0.2.2 fastapi==0.165.0 httpx==0.28.1
imported=$("$python" -c "import fastapi_cache" 2>&1 || true)
found="without jinja2: $(tail -n 1 <<< "$imported" | cut -d : -f 1)"
"$python" -m pip install --quiet --disable-pip-version-check jinja2==3.1.6
found+=$'\n'$("$python" "$folder/cached.py")
echo "$found"
[[ $found == $'without jinja2: ImportError\nAlice: hello Alice\nBob: hello Alice, max-age=60' ]]
