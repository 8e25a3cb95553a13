"""The service with a route that takes any body; tests run it under gunicorn."""

from typing import Annotated

from fastapi import Body

from app.main import create_app
from app.settings import load_settings

app = create_app(load_settings())


@app.post("/take")
async def take(body: Annotated[bytes, Body()]) -> int:
    """Return how large it was."""
    return len(body)
