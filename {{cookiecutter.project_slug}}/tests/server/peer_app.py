"""The service with routes that return a request's client address, and the state of the garbage collector."""

import gc

from fastapi import Request
from starlette.types import Receive, Scope, Send

from app.main import create_app
from app.settings.load import load_settings

collected_at_import = gc.isenabled()
app = create_app(load_settings())
monitored: list[bool] = []
gc.callbacks.append(lambda _, info: monitored.append(info["generation"] == 2 and hasattr(app.state, "resources")))


@app.get("/peer")
async def peer(request: Request) -> list[str]:
    """Return the client's address and the scheme of the URL."""
    return [request.client.host if request.client else "", request.url.scheme]


@app.get("/collected")
async def collected() -> list[int]:
    """Return the number of objects that a full garbage collection visits, the number that is skipped, and three flags.

    The flags tell whether garbage collection was on while this module was imported, whether it is on now, and whether a
    full collection came after the start of the loop monitor.
    """
    return [len(gc.get_objects()), gc.get_freeze_count(), collected_at_import, gc.isenabled(), any(monitored)]


async def hasty(scope: Scope, receive: Receive, send: Send) -> None:
    """Call the service behind a faulty middleware, which reads the key `headers` that the lifespan's scope lacks."""
    assert scope["headers"] is not None
    await app(scope, receive, send)
