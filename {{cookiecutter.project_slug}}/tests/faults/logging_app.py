"""The service with a route that writes a log line of any length; tests run the app under gunicorn."""

from typing import Annotated

import structlog
from fastapi import Query

from app.main import create_app
from app.settings.load import load_settings

app = create_app(load_settings())
log = structlog.get_logger("logging_app")


@app.get("/log")
async def write_line(length: Annotated[int, Query(ge=0, le=100_000)] = 0) -> int:
    """Write the log line `padded line` with a text of `length` characters; the access log adds a line."""
    log.info("padded line", text="." * length)
    return length
