"""Start the application in this process and print "ready" when all readiness checks pass; the parent has the clock."""

import asyncio
import gc

gc.disable()  # as a worker does until the end of its start

from app.main import app  # noqa: E402 - after the line above
from app.resources import Resources  # noqa: E402 - as the import before


async def main() -> None:
    """Open the application, run the readiness checks, and close the application."""
    async with app.router.lifespan_context(app):
        resources: Resources = app.state.resources
        reasons = await resources.readiness.reasons()
        print(f"ready {'; '.join(reasons)}".strip(), flush=True)


asyncio.run(main())
