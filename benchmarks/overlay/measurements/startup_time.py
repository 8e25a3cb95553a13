"""Starts the application and prints "ready" once all readiness checks pass; the parent process measures the time."""

import asyncio
import gc

gc.disable()  # a worker of the service does the same until its start is complete

from app.main import app  # noqa: E402 - imported after the line above
from app.resources import Resources  # noqa: E402 - imported after the line above


async def main() -> None:
    """Start the application, run the readiness checks, and close the application."""
    async with app.router.lifespan_context(app):
        resources: Resources = app.state.resources
        reasons = await resources.readiness.reasons()
        print(f"ready {'; '.join(reasons)}".strip(), flush=True)


asyncio.run(main())
