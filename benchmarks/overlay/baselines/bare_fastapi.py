"""The baseline `bare`: FastAPI and one route without a database; no middleware, no log, no settings."""

from fastapi import FastAPI

from app.items.schemas import Kinds

app = FastAPI(openapi_url=None)


@app.get("/api/v1/item-kinds")
async def list_kinds() -> Kinds:
    """List the kinds of items."""
    return Kinds(kinds=["book", "part", "tool"])
