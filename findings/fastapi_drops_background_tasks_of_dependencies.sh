#!/usr/bin/env bash
# Versions: fastapi 0.165.0 with starlette as it comes. Python 3.11.
#
# Belief: a task that a dependency adds to its `BackgroundTasks` (an audit line, a count of usage) runs after each
# answer of the routes that have the dependency; FastAPI gives one and the same object to the route and to all its
# dependencies.
#
# Observed: when a route returns a response with a background of its own, such as `JSONResponse(..., background=...)` or
# a FileResponse that removes its file afterwards, FastAPI keeps that background and drops the tasks of all
# dependencies. There is no error and no warning, and the answer is the same. A response without a background gets the
# tasks.
#
# Output:
#   a dict: audit
#   a response: audit
#   a response with a background: remove the file
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/tasks.py" <<'PROGRAM'
import asyncio

import httpx
from fastapi import BackgroundTasks, Depends, FastAPI
from fastapi.responses import JSONResponse
from starlette.background import BackgroundTask

ran: list[str] = []


async def audited(tasks: BackgroundTasks) -> None:
    tasks.add_task(ran.append, "audit")


app = FastAPI(dependencies=[Depends(audited)])


@app.get("/a dict")
async def a_dict() -> dict[str, str]:
    return {}


@app.get("/a response")
async def a_response():
    return JSONResponse({})


@app.get("/a response with a background")
async def a_response_with_a_background():
    return JSONResponse({}, background=BackgroundTask(ran.append, "remove the file"))


async def main() -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://finding") as client:
        for path in ("a dict", "a response", "a response with a background"):
            ran.clear()
            (await client.get(f"/{path}")).raise_for_status()
            print(f"{path}: {', '.join(ran)}")


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check fastapi==0.165.0 httpx==0.28.1
found=$("$folder/venv/bin/python" "$folder/tasks.py")
echo "$found"
[[ $found == $'a dict: audit\na response: audit\na response with a background: remove the file' ]]
