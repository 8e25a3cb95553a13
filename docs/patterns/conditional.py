"""Conditional requests: a client with the current version gets 304, and a change to an old version gets 412."""

import asyncio

import httpx
from app.http_caching.conditional import ConditionalReadDep, ConditionalWriteDep
from fastapi import FastAPI, Response

app, versions, METHODS = FastAPI(), [1], ("GET", "PUT", "PUT")


@app.get("/order", response_model=None)
async def read(condition: ConditionalReadDep) -> Response | str:
    condition.tag(versions[-1])
    return await condition.unchanged(lambda: asyncio.sleep(0, versions[-1])) or "the order"


@app.put("/order")
async def change(condition: ConditionalWriteDep) -> None:
    await condition.check(lambda: asyncio.sleep(0, versions[-1]))  # in a service: SELECT ... FOR UPDATE
    versions.append(2)


async def main() -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://example") as client:
        seen = dict.fromkeys(["If-None-Match", "If-Match"], (await client.get("/order")).headers["ETag"])
        assert [(await client.request(how, "/order", headers=seen)).status_code for how in METHODS] == [304, 200, 412]


asyncio.run(main())
