"""The service with its neighbours, each on a route in a family of its own; tests run it under gunicorn.

One has a name that is not found before the test says so: a stub stands for a name server that is slow. One is called
without a breaker, which would hide what the retries do.
"""

import asyncio
import os
import socket
import threading
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from pydantic import HttpUrl

from app.downstreams.client import Client
from app.downstreams.downstream import Downstream
from app.downstreams.settings import DownstreamSettings
from app.families import PATHS, FamiliesSettings, Family
from app.main import create_app
from app.settings import load_settings

HOSTS = {"bad": "127.0.0.1", "good": "localhost", "lost": "lost.invalid", "failing": "127.0.0.1"}
NEVER = 10**9


class WithNeighbours(FamiliesSettings):
    """A family for each."""

    bad: Family = Family()
    good: Family = Family()
    lost: Family = Family()
    failing: Family = Family()


assert isinstance(PATHS, dict)
PATHS.update({name: (f"/{name}",) for name in HOSTS})
app = create_app(load_settings().model_copy(update={"families": WithNeighbours()}))
opened: dict[str, Downstream] = {}
found = threading.Event()
whole = app.router.lifespan_context
system_look_up = socket.getaddrinfo


def look_up(host: str | bytes, *details: Any, **named: Any) -> list[Any]:  # noqa: ANN401 - those of the standard library
    """Look up a name as the resolver of the operating system does, which takes its thread for as long as it lasts."""
    if host in {HOSTS["lost"], HOSTS["lost"].encode()}:
        found.wait()
        host = "127.0.0.1"
    return system_look_up(host, *details, **named)


def ask_a_slow_name_server() -> None:
    """Let this process look names up there, and this event loop in threads that all share, as asyncio's are."""
    socket.getaddrinfo = look_up  # type: ignore[assignment] # as above, it is what the stub is for
    loop = asyncio.get_running_loop()

    async def getaddrinfo(host: str | bytes, port: int, **details: int) -> list[Any]:
        ordered = (details.get(name, 0) for name in ("family", "type", "proto", "flags"))
        return await loop.run_in_executor(None, look_up, host, port, *ordered)

    loop.getaddrinfo = getaddrinfo  # type: ignore[assignment,method-assign] # it is what the stub is for


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open both, as the registry opens those of the settings."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(whole(app))
        ask_a_slow_name_server()
        for (name, host), port in zip(HOSTS.items(), os.environ["NEIGHBOURS"].split(), strict=True):
            settings = DownstreamSettings(base_url=HttpUrl(f"http://{host}:{port}"))
            if name == "failing":
                settings = settings.model_copy(update={"breaker_calls": NEVER})
            opened[name] = Downstream(name, await stack.enter_async_context(Client(name, settings)), settings)
        yield


app.router.lifespan_context = lifespan


@app.get("/bad")
async def ask_the_bad_one() -> int:
    """Ask the one that the test spoils."""
    answer: int = await opened["bad"].get_json("things")
    return answer


@app.get("/good")
async def ask_the_good_one() -> int:
    """Ask the one beside it."""
    answer: int = await opened["good"].get_json("things")
    return answer


@app.get("/lost")
async def ask_the_lost_one() -> int:
    """Ask the one whose name is not found."""
    answer: int = await opened["lost"].get_json("things")
    return answer


@app.get("/failing")
async def ask_the_failing_one() -> int:
    """Ask the one that is called however often it fails."""
    answer: int = await opened["failing"].get_json("things")
    return answer


@app.get("/found")
async def find() -> None:
    """Let the name server answer."""
    found.set()
