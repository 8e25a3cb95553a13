"""Routes that fail, each in a different way: tests check that every failure becomes a problem response."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from app.dependencies import WriteSession
from app.errors import Conflict, NotFound, Unavailable

router = APIRouter()


class Strict(BaseModel):
    """A request body that allows only the field `number`: any other field must be refused."""

    model_config = ConfigDict(extra="forbid")
    number: int


class Cat(BaseModel):
    """The variant `cat` of a request body that is a union: pydantic tells variants apart by the field `kind`."""

    kind: Literal["cat"]


class Dog(BaseModel):
    """The variant `dog` of a request body that is a union: pydantic tells variants apart by the field `kind`."""

    kind: Literal["dog"]


@router.get("/bug")
async def bug() -> None:
    raise RuntimeError("secret internals")


@router.get("/not-found")
async def not_found() -> None:
    raise NotFound("There is no such thing.")


@router.get("/unavailable")
async def unavailable() -> None:
    raise Unavailable("A part is away.")


@router.get("/group")
async def group() -> None:
    async def fail() -> None:
        raise Conflict("One of two failed.")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(fail())
        tasks.create_task(asyncio.sleep(60))


@router.get("/timeout")
async def time_out() -> None:
    raise TimeoutError


@router.get("/group/nested")
async def nested_group() -> None:
    raise ExceptionGroup("outer", [ExceptionGroup("inner", [NotFound("Deep inside.")])])


@router.get("/group/with-a-bug")
async def group_with_a_bug() -> None:
    raise ExceptionGroup("both", [NotFound("This alone would be a 404."), RuntimeError("secret internals")])


@router.get("/odd-status")
async def odd_status() -> None:
    raise HTTPException(499, "The client is gone.")


@router.get("/unloggable")
async def unloggable() -> None:
    raise RuntimeError("half a pair: \ud800")


@router.post("/tagged")
async def tagged(body: Annotated[Cat | Dog, Field(discriminator="kind")]) -> str:
    return body.kind


@router.post("/strict")
async def strict(body: Strict) -> int:
    return body.number


@router.get("/sql")
async def sql(statement: str, session: WriteSession) -> None:
    await session.execute(text(statement))


@router.get("/numbers/{number}")
async def store(number: int, session: WriteSession) -> None:
    await session.execute(text("SELECT CAST(:number AS int)"), {"number": number})
