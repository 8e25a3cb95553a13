"""The service with a route that writes slowly, and once for each key; tests run it under gunicorn."""

from fastapi import Response
from pydantic import BaseModel
from sqlalchemy import text

from app.dependencies import OnceDep, WriteSession
from app.main import create_app
from app.settings import load_settings

app = create_app(load_settings())

ADD = text("INSERT INTO scratch_deeds (name) VALUES (:name) RETURNING id")
SLEEP = text("SELECT 1 FROM pg_sleep(:seconds)")


class Deed(BaseModel):
    """What is done, and how long it takes before and after its row is there."""

    name: str
    seconds: float = 0


class Done(BaseModel):
    """What was done."""

    id: int
    name: str


@app.post("/deeds", status_code=201, response_model=Done)
async def act(deed: Deed, session: WriteSession, once: OnceDep) -> Response:
    """Write a row in the middle of its time."""
    if (answered := await once.answered(session)) is not None:
        return answered
    await session.execute(SLEEP, {"seconds": deed.seconds})
    done = Done(id=await session.scalar(ADD, {"name": deed.name}), name=deed.name)
    await session.execute(SLEEP, {"seconds": deed.seconds})
    return await once.answer(session, done, status=201, headers={})
