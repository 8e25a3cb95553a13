"""The service with routes that refuse unknown fields and wrong items; tests run the app under gunicorn."""

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict

from app.main import create_app
from app.settings.load import load_settings

app = create_app(load_settings())


class Strict(BaseModel):
    """A body or query with one known field."""

    model_config = ConfigDict(extra="forbid")
    number: int = 0


@app.post("/strict")
async def take(body: Strict) -> int:
    """Take a body without unknown fields."""
    return body.number


@app.post("/items")
async def take_items(body: list[Strict]) -> int:
    """Take a list of any length."""
    return len(body)


@app.get("/query")
async def search(query: Annotated[Strict, Query()]) -> int:
    """Take a query without unknown parameters."""
    return query.number


@app.get("/fail")
async def fail() -> None:
    """Fail with a traceback that is longer than a pipe keeps whole."""
    raise LookupError("There is no such thing. " * 400)
