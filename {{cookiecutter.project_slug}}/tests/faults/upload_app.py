"""The service with a route that reads a body of any content type; tests run the app under gunicorn."""

from typing import Annotated

from fastapi import Body

from app.main import create_app
from app.settings.load import load_settings

app = create_app(load_settings())


@app.post("/upload")
async def upload(body: Annotated[bytes, Body()]) -> int:
    """Read the whole request body, and return its size in bytes."""
    return len(body)
