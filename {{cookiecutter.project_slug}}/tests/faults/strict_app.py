"""The service with routes that refuse unknown fields and invalid items; tests run the app under gunicorn."""

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict

from app.main import create_app
from app.settings.load import load_settings

app = create_app(load_settings())


class Strict(BaseModel):
    """A request body or query with one known field."""

    model_config = ConfigDict(extra="forbid")
    number: int = 0


@app.post("/strict")
async def take(body: Strict) -> int:
    """Accept a body without unknown fields."""
    return body.number


@app.post("/items")
async def take_items(body: list[Strict]) -> int:
    """Accept a list of any length."""
    return len(body)


@app.get("/query")
async def search(query: Annotated[Strict, Query()]) -> int:
    """Accept a query without unknown parameters."""
    return query.number


@app.get("/fail")
async def fail() -> None:
    """Raise an exception whose traceback is longer than the size up to which a pipe writes atomically."""
    error = LookupError()
    for _ in range(100):
        cause, error = error, LookupError()
        error.__cause__ = cause
    raise error
