"""A request body that is too large is refused with 413: by the declared length, or by the bytes received so far."""

import asyncio
from collections.abc import AsyncIterator

import httpx
from app.settings.route_groups import RouteGroups, RouteGroupsSettings
from app.web.body_limit import BodyLimit
from fastapi import FastAPI, Request


async def upload(request: Request) -> int:
    return len(await request.body())


async def chunks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield bytes(100)


async def main() -> None:
    app = FastAPI()
    app.post("/")(upload)
    limited = BodyLimit(app, RouteGroups(RouteGroupsSettings(), {}), max_bytes=500, max_json_bytes=500)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(limited), base_url="http://service") as client:
        sent = [await client.post("/", content=body) for body in (bytes(500), bytes(501), chunks(5), chunks(6))]
    assert [answer.status_code for answer in sent] == [200, 413, 200, 413]


asyncio.run(main())
