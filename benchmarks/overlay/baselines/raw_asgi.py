"""The baseline `raw`, the least cost: an ASGI function, an asyncpg pool, one query, orjson, and no validation."""

import os
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import asyncpg
import orjson
from starlette.types import Receive, Scope, Send

ITEMS = "/api/v1/items"
COLUMNS = "id, name, kind, price_cents, in_stock, created_at"
ONE = f"SELECT {COLUMNS} FROM items WHERE id = $1"  # noqa: S608 - SQL from constants only
NEWEST = f"SELECT {COLUMNS} FROM items ORDER BY id DESC LIMIT $1"  # noqa: S608 - SQL from constants only
INSERT = f"INSERT INTO items (name, kind, price_cents, in_stock) VALUES ($1, $2, $3, $4) RETURNING {COLUMNS}"  # noqa: S608
POOL_SIZE = 10

state: dict[str, Any] = {}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve the ASGI lifespan or a request."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    path: str = scope["path"]
    if scope["method"] == "POST":
        await answer(send, 201, await create(receive))
    elif path == ITEMS:
        await answer(send, 200, await newest(int(parse_qs(scope["query_string"])[b"limit"][0])))
    else:
        await answer(send, 200, dict(await state["pool"].fetchrow(ONE, int(path.rpartition("/")[2]))))


async def lifespan(receive: Receive, send: Send) -> None:
    """Open the pool at start-up, and close it at shutdown."""
    phases: dict[str, Callable[[], Awaitable[None]]] = {"startup": start, "shutdown": stop}
    for phase, action in phases.items():
        await receive()
        await action()
        await send({"type": f"lifespan.{phase}.complete"})


async def start() -> None:
    """Open a pool as large as the service's, without asyncpg's reset query after each use."""
    state["pool"] = await asyncpg.create_pool(
        os.environ["DATABASE_URL"], min_size=POOL_SIZE, max_size=POOL_SIZE, reset=no_reset
    )


async def no_reset(_connection: asyncpg.Connection) -> None:
    """Skip asyncpg's reset of a connection that returns to the pool."""


async def stop() -> None:
    """Close the pool."""
    await state["pool"].close()


async def newest(limit: int) -> dict[str, Any]:
    """Return a page of items."""
    rows = [dict(row) for row in await state["pool"].fetch(NEWEST, limit + 1)]
    return {"items": rows[:limit], "next": rows[limit - 1]["id"] if len(rows) > limit else None}


async def create(receive: Receive) -> dict[str, Any]:
    """Store an item from the request body."""
    item = orjson.loads((await receive())["body"])
    values = (item["name"], item["kind"], item["price_cents"], item["in_stock"])
    return dict(await state["pool"].fetchrow(INSERT, *values))


async def answer(send: Send, status: int, content: dict[str, Any]) -> None:
    """Send a JSON response."""
    body = orjson.dumps(content, option=orjson.OPT_UTC_Z)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
