"""The service with a route that logs as much as it is asked to; tests run it under gunicorn."""

from typing import Annotated

import structlog
from fastapi import Query

from app.main import create_app
from app.settings import load_settings

app = create_app(load_settings())
log = structlog.get_logger("talker")


@app.get("/talk")
async def talk(length: Annotated[int, Query(ge=0, le=100_000)] = 0) -> int:
    """Write a line with a text of this length; the access log adds its own."""
    log.info("talk", text="." * length)
    return length
