"""Cases that block in code that the framework runs on the event loop around a route, such as dependencies."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Body, Depends, FastAPI, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from pydantic import AfterValidator, BaseModel, Field, computed_field, field_validator, model_validator
from starlette.types import ASGIApp, Receive, Scope, Send

router = APIRouter()

SECONDS = 0.2


async def current_user() -> str:
    time.sleep(SECONDS)
    return "somebody"


@router.get("/an_async_dependency")
async def an_async_dependency(user: Annotated[str, Depends(current_user)]) -> str:
    return user


async def unit_of_work() -> AsyncIterator[None]:
    yield
    time.sleep(SECONDS)


@router.get("/the_end_of_a_dependency")
async def the_end_of_a_dependency(_work: Annotated[None, Depends(unit_of_work)]) -> None:
    return None


class Order(BaseModel):
    name: str

    @field_validator("name")
    @classmethod
    def known(cls, name: str) -> str:
        time.sleep(SECONDS)
        return name


@router.post("/a_field_validator")
async def a_field_validator(order: Order) -> str:
    return order.name


class Basket(BaseModel):
    name: str

    @model_validator(mode="after")
    def consistent(self) -> "Basket":
        time.sleep(SECONDS)
        return self


@router.post("/a_model_validator")
async def a_model_validator(basket: Basket) -> str:
    return basket.name


def looked_up(name: str) -> str:
    time.sleep(SECONDS)
    return name


@router.post("/an_annotated_validator")
async def an_annotated_validator(name: Annotated[str, AfterValidator(looked_up), Body(embed=True)]) -> str:
    return name


def next_number() -> int:
    time.sleep(SECONDS)
    return 1


class Numbered(BaseModel):
    number: int = Field(default_factory=next_number)


@router.post("/a_default_factory")
async def a_default_factory(numbered: Numbered) -> int:
    return numbered.number


class Priced(BaseModel):
    amount: int

    @computed_field
    def gross(self) -> int:
        time.sleep(SECONDS)
        return self.amount * 2


@router.get("/a_computed_field")
async def a_computed_field() -> Priced:
    return Priced(amount=1)


async def after_the_answer() -> None:
    time.sleep(SECONDS)


@router.get("/a_background_task")
async def a_background_task(tasks: BackgroundTasks) -> None:
    tasks.add_task(after_the_answer)


async def chunks() -> AsyncIterator[bytes]:
    for _ in range(2):
        time.sleep(SECONDS / 2)
        yield b"chunk"


@router.get("/a_streamed_body")
async def a_streamed_body() -> StreamingResponse:
    return StreamingResponse(chunks())


class SlowResponse(Response):
    def render(self, content: Any) -> bytes:
        time.sleep(SECONDS)
        return b""


@router.get("/a_response_class")
async def a_response_class() -> Response:
    return SlowResponse()


class Refused(Exception):
    pass


async def explain(_request: Request, _error: Exception) -> Response:
    time.sleep(SECONDS)
    return PlainTextResponse("refused", 400)


handling = FastAPI(exception_handlers={Refused: explain})


@handling.get("/an_exception_handler")
async def an_exception_handler() -> None:
    raise Refused


class Audit:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        time.sleep(SECONDS)
        await self.app(scope, receive, send)


audited = FastAPI()
audited.add_middleware(Audit)


@audited.get("/a_middleware_class")
async def a_middleware_class() -> None:
    return None


timed = FastAPI()


@timed.middleware("http")
async def measure(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    time.sleep(SECONDS)
    return await call_next(request)


@timed.get("/a_middleware_function")
async def a_middleware_function() -> None:
    return None
