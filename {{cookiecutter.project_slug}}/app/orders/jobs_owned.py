"""The jobs of orders: an import of many orders, and the confirmation of the import."""

from pydantic import BaseModel, Field, ValidationError

from app.errors import DownstreamRejected
from app.jobs.enqueue import enqueue
from app.jobs.registry import job
from app.jobs.run import JobFailed, Run
from app.orders import service_owned as service
from app.orders.schemas import OrderIn

LINES = 100
"""The most lines of a file that one transaction imports. After a crash, the next attempt repeats only the lines of the
last, uncommitted transaction."""

MAX_ERRORS = 100
"""The most wrong lines that the result of an import lists; further wrong lines are only counted."""


class ImportPayload(BaseModel):
    """The payload of an import: a text of JSON Lines, each line an order in the form of `POST /orders`."""

    text: str


class LineError(BaseModel):
    """A wrong line of an import, with the reason."""

    line: int
    detail: str


class ImportResult(BaseModel):
    """The result of an import: counts of placed and refused orders; while the job runs, the counts so far."""

    placed: int = 0
    refused: int = 0
    errors: list[LineError] = Field(default=[], description="The first wrong lines.")


class Confirmation(BaseModel):
    """The payload of the job that confirms an import: the numbers of placed and of refused orders."""

    placed: int
    refused: int


def lines_of(text: str) -> list[str]:
    """Return the non-empty lines of JSON Lines; `splitlines` would also split at a U+2028 inside of a JSON string."""
    return [line for line in text.split("\n") if line.strip()]


@job("orders.confirm", max_attempts=8, timeout_seconds=30)
async def confirm_import(payload: Confirmation, run: Run) -> None:
    """Report an import to the downstream `confirmations`; the idempotency key makes a retry harmless."""
    confirmations = run.resources.downstreams["confirmations"]
    try:
        await confirmations.send_json("POST", "imports", body=payload.model_dump(), idempotency_key=run.key)
    except DownstreamRejected as error:
        raise JobFailed(error.code, error.detail) from error  # a 4xx response: a retry would get the same response


@job("orders.import", max_attempts=3, timeout_seconds=600)
async def import_orders(payload: ImportPayload, run: Run) -> ImportResult:
    """Place the orders of a file; each transaction also stores the progress, from which the next attempt goes on."""
    lines, owner = lines_of(payload.text), run.owner
    if owner is None:
        raise JobFailed("no_owner", "The import has no owner: start the job with an owner.")
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
                    await service.place(session, order, owner=owner)
                    result.placed += 1
            await run.advance(session, end, total=len(lines), result=result)
            if end == len(lines):  # confirm in the last transaction, so that a crash cannot confirm the import twice
                told = Confirmation(placed=result.placed, refused=result.refused)
                await enqueue(session, confirm_import, told, owner=run.owner)
    return result


def _refuse(result: ImportResult, line: int, error: ValidationError) -> None:
    result.refused += 1
    if len(result.errors) < MAX_ERRORS:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in wrong["loc"])
        result.errors.append(LineError(line=line, detail=f"{place}: {wrong['msg']}" if place else wrong["msg"]))
