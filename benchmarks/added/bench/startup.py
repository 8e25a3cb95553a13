"""Start the application in this process and print "ready" when its own probe says so; the starter has the clock."""

import asyncio

from app.lifespan import Resources
from app.main import app


async def main() -> None:
    """Open everything, ask the probe, close everything."""
    async with app.router.lifespan_context(app):
        resources: Resources = app.state.resources
        reasons = await resources.readiness.reasons()
        print(f"ready {'; '.join(reasons)}".strip(), flush=True)


asyncio.run(main())
