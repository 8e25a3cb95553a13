"""The service with routes that return the bodies, headers, queued requests and WebSocket texts that it received."""

import asyncio
import gc
from typing import Annotated, Any

from fastapi import Query, Request, WebSocket
from sqlalchemy import literal, select
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.dependencies import (
    OffloadDep,
    ReadSession,
    ResourcesDep,
    SnapshotSession,
    SupervisorDep,
    TransactionsDep,
    WriteSession,
)
from app.main import create_app
from app.settings.load import load_settings

app = create_app(load_settings())

ONE = select(literal(1))


@app.api_route("/echo", methods=["GET", "POST", "PUT"])
async def echo(request: Request) -> dict[str, Any]:
    """Return the request's body, and the names of its headers as the application sees them after reading the body."""
    body = (await request.body()).decode("latin-1")
    return {"body": body, "names": sorted({name.decode() for name, _ in request.scope["headers"]})}


@app.get("/wait")
async def wait(seconds: Annotated[float, Query(ge=0, le=10)] = 0.5) -> None:
    """Respond after `seconds`."""
    await asyncio.sleep(seconds)


@app.get("/queued")
async def queued() -> int:
    """Return the number of queued requests that this worker holds in memory, for all connections."""
    return sum(isinstance(item, RequestResponseCycle) for item in gc.get_objects())


@app.websocket("/talk")
async def talk(websocket: WebSocket) -> None:
    """Send each text that comes over the WebSocket back, in capitals."""
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text.upper())


@app.websocket("/late-talk")
async def talk_late(websocket: WebSocket) -> None:
    """Accept the WebSocket after half a second, and send each text back, in capitals."""
    await asyncio.sleep(0.5)
    await talk(websocket)


@app.websocket("/read")
async def read(websocket: WebSocket, reader: ReadSession) -> None:
    """Send the result of a statement in a read session over a WebSocket, then close the WebSocket."""
    await websocket.accept()
    await websocket.send_text(str(await reader.scalar(ONE)))


@app.websocket("/snapshot")
async def read_snapshot(websocket: WebSocket, session: SnapshotSession) -> None:
    """Send the result of a statement in a snapshot session over a WebSocket, then close the WebSocket."""
    await websocket.accept()
    await websocket.send_text(str(await session.scalar(ONE)))


@app.websocket("/write")
async def write(websocket: WebSocket, session: WriteSession) -> None:
    """Send the result of a statement in a write session over a WebSocket, then close the WebSocket."""
    await websocket.accept()
    await websocket.send_text(str(await session.scalar(ONE)))


@app.websocket("/transactions")
async def write_in_blocks(websocket: WebSocket, transactions: TransactionsDep) -> None:
    """Send the result of a statement in an `async with` block's transaction over a WebSocket, then close."""
    await websocket.accept()
    async with transactions() as session:
        await websocket.send_text(str(await session.scalar(ONE)))


@app.websocket("/resources")
async def use(
    websocket: WebSocket,
    offload: OffloadDep,
    supervisor: SupervisorDep,
    resources: ResourcesDep,
) -> None:
    """Send 1 over a WebSocket if the injected dependencies are this process's own objects, otherwise 0, then close."""
    same = (offload, supervisor) == (resources.offload, resources.supervisor)
    await websocket.accept()
    await websocket.send_text(str(int(same)))


@app.websocket("/closed")
async def closed(websocket: WebSocket) -> None:
    """Refuse every WebSocket."""
    await websocket.close()
