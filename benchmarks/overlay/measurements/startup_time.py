"""Start the application in this process and print "ready" when all readiness checks pass; the parent has the clock."""

import asyncio

from app.main import app
from app.resources import Resources


async def main() -> None:
    """Open the application, run the readiness checks, and close the application."""
    async with app.router.lifespan_context(app):
        resources: Resources = app.state.resources
        reasons = await resources.readiness.reasons()
        print(f"ready {'; '.join(reasons)}".strip(), flush=True)


asyncio.run(main())
