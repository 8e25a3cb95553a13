"""The HTTP route that starts a job which imports many orders; the job is in `jobs.py`."""

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response

from app.dependencies import IdempotentDep, WriteSession
from app.errors import Invalid, UnsupportedType
from app.jobs.enqueue import enqueue
from app.jobs.routes import ACCEPTED, accepted
from app.orders.jobs import ImportPayload, import_orders, lines_of
from app.request.principal import Principal, needs

router = APIRouter(prefix="/api/v1", tags=["orders"])

JSON_LINES = "application/jsonl"
EXAMPLE = '{"customer":"Ada","lines":[{"sku":"TEA-1","quantity":2,"unit_price":"4.50"}]}'
LINES = {"schema": {"type": "string"}, "example": EXAMPLE}
FILE: dict[str, Any] = {"requestBody": {"required": True, "content": {JSON_LINES: LINES}}}
"""The OpenAPI description of the request body, a file of JSON Lines: FastAPI itself can only describe JSON."""


async def read_lines(request: Request) -> str:
    """Return the request body, a text of JSON Lines.

    Raises:
        UnsupportedType: the media type of the body is not JSON Lines.
        Invalid: the body is not UTF-8, has a NUL character, or has no line.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON_LINES:
        raise UnsupportedType(f"Send the orders as {JSON_LINES}, one in each line.")
    try:
        text = (await request.body()).decode()
    except UnicodeDecodeError:
        raise Invalid("The file is not UTF-8.") from None
    if "\x00" in text or not lines_of(text):
        raise Invalid("The file has no line with an order, or a NUL character.")
    return text


@router.post("/orders/imports", openapi_extra=FILE, **ACCEPTED)
async def start_import(
    session: WriteSession,
    idempotent: IdempotentDep,
    principal: Annotated[Principal, needs("orders:write")],
    request: Request,
) -> Response:
    """Import orders from JSON Lines, as a job: the result counts the placed orders, and names the wrong lines."""
    if (answered := await idempotent.answered(session)) is not None:
        return answered
    text = await read_lines(request)
    payload = ImportPayload(text=text)
    started = await enqueue(session, import_orders, payload, owner=principal.owner, total=len(lines_of(text)))
    return await accepted(request, session, idempotent, started.job)
