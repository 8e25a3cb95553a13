"""The service with routes whose paths are hard to turn into metric labels, and routes that block, wait or fail."""

import time

from fastapi import APIRouter, FastAPI
from sqlalchemy import text

from app.dependencies import ReadSession, SupervisorDep
from app.main import create_app
from app.settings.load import load_settings

app = create_app(load_settings().model_copy(update={"loop_stall_seconds": 0.1}))
inner, outer = APIRouter(prefix="/{inner_id}/parts"), APIRouter(prefix="/api/v9/things")
mounted = FastAPI()


@inner.get("/{part_id}")
async def read_part(inner_id: int, part_id: int) -> int:
    """Return a number; the route's path has two nested prefixes."""
    return inner_id + part_id


@mounted.get("/mounted/{number}")
async def read_mounted(number: int) -> int:
    """Return a number; the route is in a mounted application."""
    return number


@app.get("/block/{milliseconds}")
async def block(milliseconds: int) -> None:
    """Block the worker's event loop."""
    time.sleep(milliseconds / 1000)  # noqa: ASYNC251 - blocking is the purpose of this route


@app.get("/slow")
async def read_slowly(session: ReadSession) -> None:
    """Hold a database connection for half a second."""
    await session.execute(text("SELECT pg_sleep(0.5)"))


async def work() -> None:
    """Do nothing, as a background task."""


@app.post("/tasks")
async def start(supervisor: SupervisorDep, number: int) -> None:
    """Start a background task whose name has a number, which must not become a metric label."""
    supervisor.start(f"task {number}", work())


@app.get("/fails")
async def fails() -> None:
    """Raise an unexpected exception."""
    raise RuntimeError("canary")


outer.include_router(inner)
app.include_router(outer)
app.mount("/mount", mounted)
