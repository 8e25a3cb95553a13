"""The service with routes on two tables, and a route that starts background tasks; tests run it under gunicorn."""

import asyncio

from sqlalchemy import text

from app.dependencies import ReadSession, ResourcesDep, SupervisorDep
from app.main import create_app
from app.resources import Resources
from app.settings.load import load_settings
from app.settings.route_groups import PATHS, RouteGroup, RouteGroupsSettings

TASKS, TASK_SECONDS = 10, 2.0
"""How many background tasks a request starts, and the duration of each task's transaction in seconds."""


class MoreGroups(RouteGroupsSettings):
    """The service's route groups, and the groups `left`, `right` and `middle`, which read a table that a test locks."""

    left: RouteGroup = RouteGroup()
    right: RouteGroup = RouteGroup()
    middle: RouteGroup = RouteGroup()


assert isinstance(PATHS, dict)
PATHS |= {"left": ("/left",), "right": ("/right",), "middle": ("/middle",)}
app = create_app(load_settings().model_copy(update={"route_groups": MoreGroups()}))


@app.get("/left")
@app.get("/right")
@app.get("/middle")
async def read_locked(session: ReadSession) -> int:
    """Count the rows of the table `items`, which a test locks."""
    found: int = await session.scalar(text("SELECT count(*) FROM items"))
    return found


@app.get("/unlocked")
async def read_unlocked(session: ReadSession) -> int:
    """Count the rows of the table `unlocked_items`, which no test locks, in the default route group."""
    found: int = await session.scalar(text("SELECT count(*) FROM unlocked_items"))
    return found


async def hold_a_transaction(resources: Resources) -> None:
    """Hold a database connection for TASK_SECONDS, as a long transaction does."""
    async with resources.write_sessions.begin() as session:
        await session.execute(text("SELECT 1"))
        await asyncio.sleep(TASK_SECONDS)


@app.post("/background")
async def start(resources: ResourcesDep, supervisor: SupervisorDep) -> None:
    """Start background tasks, each with a long transaction."""
    for number in range(TASKS):
        supervisor.start(f"long transaction {number}", hold_a_transaction(resources))
