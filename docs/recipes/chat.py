"""A WebSocket chat over any number of processes: PostgreSQL carries the messages, each client has a bounded queue.

Run: DATABASE_URL=postgresql://user@127.0.0.1/app uvicorn chat:app --workers 4 --ws-max-size 7999
"""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import asyncpg
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

MAX_CLIENTS, MAX_WAITING, SEND_SECONDS = 200, 64, 2.0  # most clients here, waiting messages of each, time of a send
TOO_SLOW, RESTARTING, FULL = 4008, 1012, 1013
LOST = OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError
Client = asyncio.Queue[str | int]  # messages that wait, and at the end the close code


def hand_out(clients: set[Client], message: str) -> None:
    """Give a message to each client's queue; a client that does not keep up is disconnected."""
    for client in list(clients):
        client.put_nowait(message if client.qsize() < MAX_WAITING else TOO_SLOW)
        if client.qsize() > MAX_WAITING:
            clients.discard(client)


async def listen(clients: set[Client], ready: asyncio.Event) -> None:
    """Listen on a separate connection until cancelled; when the connection is lost, the clients have to reconnect."""
    while True:
        with suppress(*LOST):
            connection = await asyncpg.connect(os.environ["DATABASE_URL"], timeout=2, command_timeout=2)
            try:
                await connection.add_listener("chat", lambda *told: hand_out(clients, str(told[-1])))
                ready.set()
                while True:
                    await connection.execute("SELECT")  # finds a connection that was lost without an error
                    await asyncio.sleep(2)
            finally:
                connection.terminate()
        while clients:
            clients.pop().put_nowait(RESTARTING)
        await asyncio.sleep(0.5)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open the connection pool, and listen for messages as long as the process lives."""
    bounds, ready = {"min_size": 1, "max_size": 5, "command_timeout": 2}, asyncio.Event()
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], **bounds) as pool, asyncio.TaskGroup() as group:
        app.state.pool, app.state.clients = pool, set[Client]()
        task = group.create_task(listen(app.state.clients, ready))
        await asyncio.wait_for(ready.wait(), 10)  # a client that connects earlier would miss messages
        yield
        task.cancel()


app = FastAPI(lifespan=lifespan)


@app.websocket("/chat")
async def chat(socket: WebSocket) -> None:
    client, clients = Client(), socket.app.state.clients
    await socket.accept()
    clients.add(client) if len(clients) < MAX_CLIENTS else client.put_nowait(FULL)
    reader = asyncio.create_task(read(socket, client))  # reads also while a message is being sent
    with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
        while isinstance(message := await client.get(), str):
            await asyncio.wait_for(socket.send_text(message), SEND_SECONDS)
        await asyncio.wait_for(socket.close(message), SEND_SECONDS)
    clients.discard(client)  # after a cancellation, `hand_out` discards the client
    reader.cancel()


async def read(socket: WebSocket, client: Client) -> None:
    with suppress(WebSocketDisconnect, *LOST):
        async for text in socket.iter_text():
            await socket.app.state.pool.execute("SELECT pg_notify('chat', $1)", text)
    client.put_nowait(RESTARTING)
