"""The service with routes whose labels are hard to find, and a route that blocks the event loop; for gunicorn."""

import time

from fastapi import APIRouter, FastAPI

from app.dependencies import SupervisorDep
from app.main import create_app
from app.settings.load import load_settings

app = create_app(load_settings().model_copy(update={"loop_stall_seconds": 0.1}))
inner, outer = APIRouter(prefix="/{inner_id}/parts"), APIRouter(prefix="/api/v9/things")
mounted = FastAPI()


@inner.get("/{part_id}")
async def read_part(inner_id: int, part_id: int) -> int:
    """Return a number, at a path with two nested prefixes."""
    return inner_id + part_id


@mounted.get("/mounted/{number}")
async def read_mounted(number: int) -> int:
    """Return a number, inside of a mounted application."""
    return number


@app.get("/block/{milliseconds}")
async def block(milliseconds: int) -> None:
    """Block the event loop of the worker."""
    time.sleep(milliseconds / 1000)  # noqa: ASYNC251 - the point of this route


async def work() -> None:
    """Stand for a background task."""


@app.post("/tasks")
async def start(supervisor: SupervisorDep, number: int) -> None:
    """Start a background task with a name of its own."""
    supervisor.start(f"task {number}", work())


@app.get("/fails")
async def fails() -> None:
    """Fail as unexpected code does."""
    raise RuntimeError("canary")


outer.include_router(inner)
app.include_router(outer)
app.mount("/mount", mounted)
