"""Tests of a WebSocket chat: the recipe in two processes, and what the tutorials' connection manager does in two."""

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager

import asyncpg
import chat
import pytest
import uvicorn
from edges import Server, eventually, served, server, tutorial
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("database_url")]

END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()
"""


@contextmanager
def two_processes(app: str, *options: str) -> Generator[list[Server]]:
    """Serve an app in two processes, like two workers or two machines."""
    command = [sys.executable, "-m", "uvicorn", app, *options, "--timeout-graceful-shutdown", "5", "--port"]
    both = [server(lambda port, _folder: [*command, port]) for _ in range(2)]
    with ExitStack() as stack, ThreadPoolExecutor(2) as threads:
        # in parallel, as each process takes seconds to start on a busy machine
        yield list(threads.map(stack.enter_context, both))


@asynccontextmanager
async def clients_of(servers: list[Server]) -> AsyncGenerator[list[ClientConnection]]:
    """Connect two WebSocket clients to each process."""
    async with AsyncExitStack() as stack:
        addresses = [f"ws://127.0.0.1:{each.port}/chat" for each in servers for _ in range(2)]
        yield [await stack.enter_async_context(connect(each, max_queue=1, compression=None)) for each in addresses]


async def received(client: ClientConnection, seconds: float) -> str | bytes:
    """Return the client's next message, or an empty text if none arrives in time."""
    try:
        return await asyncio.wait_for(client.recv(), seconds)
    except TimeoutError:
        return ""


async def echoed(client: ClientConnection, message: str) -> bool:
    """Send a message, and tell whether the message comes back to the sender within two seconds."""
    try:
        await asyncio.wait_for(client.send(message), 2)
    except TimeoutError:
        return False
    return await received(client, 2) == message


async def test_a_message_reaches_the_clients_of_all_processes_and_a_stop_is_told() -> None:
    with two_processes("chat:app", "--ws-max-size", "7999") as servers:
        async with clients_of(servers) as clients:
            await clients[0].send("hello")
            everyone = await asyncio.gather(*(received(client, 10) for client in clients))
            await clients[0].send("x" * 8000)
            with pytest.raises(ConnectionClosed) as too_big:
                await asyncio.wait_for(clients[0].recv(), 10)
            servers[1].process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed) as stopped:
                await asyncio.wait_for(clients[2].recv(), 10)
            exit_code = await asyncio.to_thread(servers[1].process.wait, 10)

    assert everyone == ["hello"] * 4
    assert too_big.value.rcvd
    assert too_big.value.rcvd.code == 1009
    assert stopped.value.rcvd
    assert stopped.value.rcvd.code == 1012
    assert exit_code in {0, -signal.SIGTERM}


async def test_the_connection_manager_reaches_the_clients_of_its_own_process() -> None:
    with two_processes("tutorials.chat:app") as servers:
        async with clients_of(servers) as clients:
            await clients[0].send("hello")
            near = await asyncio.gather(*(received(client, 10) for client in clients[:2]))
            await clients[2].send("is anyone there?")
            far = await asyncio.gather(*(received(client, 10) for client in clients[2:]))

    assert near == ["hello"] * 2
    assert far == ["is anyone there?"] * 2  # and not "hello", which the other process sent


async def test_one_client_that_does_not_read_stops_the_connection_manager() -> None:
    async with served(tutorial("chat").app) as address:
        url = address.replace("http", "ws") + "/chat"
        reader, slow = [await connect(url, max_queue=1, compression=None) for _ in range(2)]
        heard = 0
        while heard < 200 and await echoed(reader, "x" * 900_000):
            heard += 1
        for client in (slow, reader):
            client.transport.abort()

    assert 0 < heard < 200


async def test_uvicorn_takes_messages_of_16_mib_by_default() -> None:
    assert uvicorn.Config("tutorials.chat:app").ws_max_size == 16 * 1024**2


async def test_one_client_that_does_not_read_is_closed_and_the_rest_hears_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "SEND_SECONDS", 1.0)
    async with served(chat.app) as address:
        url = address.replace("http", "ws") + "/chat"
        reader, slow = [await connect(url, max_queue=1, compression=None) for _ in range(2)]

        async def are_there(count: int) -> bool:
            return len(chat.app.state.clients) == count

        await eventually(lambda: are_there(2))
        for _ in range(20):
            chat.hand_out(chat.app.state.clients, "x" * 900_000)
        heard = [len(await received(reader, 10)) for _ in range(20)]
        await eventually(lambda: are_there(1))
        for client in (slow, reader):
            client.transport.abort()

    assert heard == [900_000] * 20


async def test_a_lost_connection_to_the_database_closes_the_clients(database_url: str) -> None:
    async with served(chat.app) as address, connect(address.replace("http", "ws") + "/chat") as client:
        await client.send("hello")
        assert await received(client, 10) == "hello"
        admin = await asyncpg.connect(database_url)
        await admin.execute(END_OTHERS)
        await admin.close()
        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(client.recv(), 10)

    assert closed.value.rcvd
    assert closed.value.rcvd.code == 1012


async def test_a_client_that_does_not_keep_up_is_closed() -> None:
    slow, clients = chat.Client(), set[chat.Client]()
    clients.add(slow)
    for _ in range(chat.MAX_WAITING + 10):
        chat.hand_out(clients, "hello")

    assert (len(clients), slow.qsize()) == (0, chat.MAX_WAITING + 1)
