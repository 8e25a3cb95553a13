"""Sessions that commit before the response: a commit that fails is an error response, and never a 201 without a row."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated

import httpx
from fastapi import Depends, FastAPI

app = FastAPI()


async def open_session() -> AsyncGenerator[list[str]]:
    yield []
    raise ConnectionError("the commit failed")


@app.post("/orders", status_code=201)
async def create(session: Annotated[list[str], Depends(open_session, scope="function")]) -> None:
    session.append("an order")


async def main() -> None:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        assert (await client.post("/orders")).status_code == 500


asyncio.run(main())
