"""The jobs of orders: an import of many orders, and the confirmation of the import."""

from pydantic import BaseModel, Field, ValidationError

from app.errors import DownstreamRejected
from app.jobs.enqueue import enqueue
from app.jobs.registry import job
from app.jobs.run import JobFailed, Run
from app.orders import service
from app.orders.schemas import OrderIn

LINES = 100
"""The lines of one transaction: a stop, a cancel or a crash repeats none, and costs this many at most."""

MAX_ERRORS = 100
"""The wrong lines that a result names; the rest is only counted."""


class ImportPayload(BaseModel):
    """The payload of an import: JSON Lines, each an order in the form of `POST /orders`."""

    text: str


class LineError(BaseModel):
    """Why a line of an import is no order."""

    line: int
    detail: str


class ImportResult(BaseModel):
    """The result of an import, also of the part that is done."""

    placed: int = 0
    refused: int = 0
    errors: list[LineError] = Field(default=[], description="The first wrong lines.")


class Confirmation(BaseModel):
    """The payload of a confirmation: what the recipient is told."""

    placed: int
    refused: int


def lines_of(text: str) -> list[str]:
    """Return the lines of JSON Lines; `splitlines` would also cut inside of a text that has a U+2028."""
    return [line for line in text.split("\n") if line.strip()]


@job("orders.confirm", max_attempts=8, timeout_seconds=30)
async def confirm_import(payload: Confirmation, run: Run) -> None:
    """Tell the downstream `confirmations` of an import. It counts a repeated key once, so that a retry is harmless."""
    confirmations = run.resources.downstreams["confirmations"]
    try:
        await confirmations.send_json("POST", "imports", body=payload.model_dump(), idempotency_key=run.key)
    except DownstreamRejected as error:
        raise JobFailed(error.code, error.detail) from error  # it said no: a retry would hear the same


@job("orders.import", max_attempts=3, timeout_seconds=600)
async def import_orders(payload: ImportPayload, run: Run) -> ImportResult:
    """Place the orders of a file, 100 in a transaction with the progress; go on where an earlier attempt ended."""
    lines = lines_of(payload.text)
    result = ImportResult.model_validate(run.result or {})
    while run.progress < len(lines):
        end = min(run.progress + LINES, len(lines))
        async with run.transaction() as session:
            for number in range(run.progress, end):
                try:
                    order = OrderIn.model_validate_json(lines[number])
                except ValidationError as error:
                    _refuse(result, number + 1, error)
                else:
                    await service.place(session, order)
                    result.placed += 1
            await run.advance(session, end, total=len(lines), result=result)
            if end == len(lines):  # in the same transaction: after a crash the import is not confirmed twice
                told = Confirmation(placed=result.placed, refused=result.refused)
                await enqueue(session, confirm_import, told, owner=run.owner)
    return result


def _refuse(result: ImportResult, line: int, error: ValidationError) -> None:
    result.refused += 1
    if len(result.errors) < MAX_ERRORS:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in wrong["loc"])
        result.errors.append(LineError(line=line, detail=f"{place}: {wrong['msg']}" if place else wrong["msg"]))
