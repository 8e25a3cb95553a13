"""The service with two neighbours, each on a route in a family of its own; tests run it under gunicorn."""

import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from pydantic import HttpUrl

from app.downstreams.client import Client
from app.downstreams.downstream import Downstream
from app.downstreams.settings import DownstreamSettings
from app.families import PATHS, FamiliesSettings, Family
from app.main import create_app
from app.settings import load_settings

NAMES = ("bad", "good")


class WithNeighbours(FamiliesSettings):
    """A family for each."""

    bad: Family = Family()
    good: Family = Family()


assert isinstance(PATHS, dict)
PATHS.update({name: (f"/{name}",) for name in NAMES})
app = create_app(load_settings().model_copy(update={"families": WithNeighbours()}))
opened: dict[str, Downstream] = {}
whole = app.router.lifespan_context


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open both, as the registry opens those of the settings."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(whole(app))
        for name, port in zip(NAMES, os.environ["NEIGHBOURS"].split(), strict=True):
            settings = DownstreamSettings(base_url=HttpUrl(f"http://127.0.0.1:{port}"))
            opened[name] = Downstream(name, await stack.enter_async_context(Client(name, settings)), settings)
        yield


app.router.lifespan_context = lifespan


@app.get("/bad")
async def ask_the_bad_one() -> int:
    """Ask the one that the test spoils."""
    found: int = await opened["bad"].get_json("things")
    return found


@app.get("/good")
async def ask_the_good_one() -> int:
    """Ask the one beside it."""
    found: int = await opened["good"].get_json("things")
    return found
