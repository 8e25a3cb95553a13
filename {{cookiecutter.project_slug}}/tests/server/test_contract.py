"""The internals of uvicorn that the gunicorn worker relies on: after an update, a failing test names the change."""

import asyncio
import inspect
import signal
import sys
from typing import Any

import pytest
from fastapi import FastAPI, Response
from uvicorn.config import Config
from uvicorn.server import Server

from app.server.drain import DrainingServer
from tests.serving import served

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")


def config(app: Any = None, **options: Any) -> Config:  # noqa: ANN401 - any ASGI app, and any options of uvicorn's `Config`
    return Config(app or FastAPI(), log_config=None, proxy_headers=False, **options)


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("handle_exit", ["self", "sig", "frame"]),
        ("on_tick", ["self", "counter"]),
        ("startup", ["self", "sockets"]),
        ("shutdown", ["self", "sockets"]),
    ],
)
def test_uvicorn_still_has_the_methods_that_the_service_replaces(method: str, parameters: list[str]) -> None:
    assert list(inspect.signature(getattr(Server, method)).parameters) == parameters


def test_uvicorn_still_gives_its_signals_to_handle_exit() -> None:
    server = Server(config())
    with server.capture_signals():
        handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    server.handle_exit(signal.SIGTERM, None)

    assert handlers == [server.handle_exit, server.handle_exit]
    assert server.should_exit


async def test_uvicorn_still_serves_until_on_tick_says_stop() -> None:
    ticks: list[int] = []

    class Counting(Server):
        async def on_tick(self, counter: int) -> bool:
            ticks.append(counter)
            return len(ticks) == 2

    await asyncio.wait_for(Counting(config()).main_loop(), timeout=30)

    assert len(ticks) == 2


async def test_on_tick_of_uvicorn_still_beats_the_heart_when_it_was_told_to_stop() -> None:
    beats: list[bool] = []

    async def beat() -> None:
        beats.append(True)

    server = Server(config(callback_notify=beat, timeout_notify=0))
    server.should_exit = True

    assert await server.on_tick(0)
    assert beats == [True]


def test_uvicorn_still_loads_the_application_that_the_config_holds_at_that_time() -> None:
    loaded = config()
    server = DrainingServer(loaded, lambda _seconds: None, 0)
    loaded.load()

    assert loaded.loaded_app is server.connection_close


async def test_uvicorn_still_closes_a_connection_when_the_application_says_so() -> None:
    app = FastAPI()

    @app.get("/")
    def close() -> Response:
        return Response(headers={"connection": "close"})

    async with served(app) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"GET / HTTP/1.1\r\nHost: service\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), timeout=30)  # returns when uvicorn closes the connection
        writer.close()

    assert answer.lower().count(b"connection: close") == 1


async def test_uvicorn_still_keeps_its_listeners_in_servers() -> None:
    server = Server(config(port=0, lifespan="off"))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup()
    listeners = [listener.is_serving() for listener in server.servers]
    await server.shutdown()

    assert listeners == [True]
    assert [listener.is_serving() for listener in server.servers] == [False]


async def test_uvicorn_still_starts_without_listeners_when_it_gets_no_sockets() -> None:
    server = Server(config(lifespan="off"))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup([])

    assert (server.started, server.servers) == (True, [])


def test_uvicorn_worker_still_serves_with_the_calls_that_the_service_repeats() -> None:
    worker = pytest.importorskip("uvicorn_worker").UvicornWorker
    calls = {"config", "app", "wsgi", "Server", "_install_sigquit_handler", "serve", "sockets"}
    refusal = {"started", "sys", "exit", "Arbiter", "WORKER_BOOT_ERROR"}

    assert set(worker._serve.__code__.co_names) == calls | refusal  # noqa: SLF001 - `ServiceWorker` overrides this private method of uvicorn
