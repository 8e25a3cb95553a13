"""The service with routes that show how the server understands a request, and what the garbage collector looks at."""

import gc

from fastapi import Request

from app.main import create_app
from app.settings.load import load_settings

collected_at_import = gc.isenabled()
app = create_app(load_settings())


@app.get("/peer")
async def peer(request: Request) -> list[str]:
    """Return the client's address and the scheme of the URL."""
    return [request.client.host if request.client else "", request.url.scheme]


@app.get("/collected")
async def collected() -> list[int]:
    """Return the numbers of objects that a full collection looks at and leaves out, and when collections are on."""
    return [len(gc.get_objects()), gc.get_freeze_count(), collected_at_import, gc.isenabled()]
