"""Error handlers: turn each expected exception into a problem response.

An exception without a handler is a bug; `web/catch_all.py` answers 500.
"""

import re
from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from app.database.reader import is_stale
from app.errors import Conflict, Invalid, ServiceError, Unavailable, UnsupportedType
from app.web.problem import FieldProblem, problem_response

SAFE_NAME = re.compile(r"[A-Za-z0-9_.\-\[\]]{1,64}")
"""Matches a field name that an error response may repeat; any other name is unknown client input and shown as `?`."""

CONTRADICTION = Conflict("This contradicts what is already stored.")
MISFIT = Invalid("A value does not fit its column.")
CONFLICTED = Unavailable("The transaction conflicted with a concurrent transaction. Try again.")

# The error response for each SQLSTATE of PostgreSQL (its manual, appendix A). A key of five characters is one SQLSTATE
# that a client can cause; the other SQLSTATEs of its class are bugs. A key of two characters is a whole class, which
# means that the database is in trouble.
SQLSTATES: Mapping[str, ServiceError] = {
    "23503": CONTRADICTION,  # a foreign key constraint is violated
    "23505": CONTRADICTION,  # a unique constraint is violated
    "23P01": CONTRADICTION,  # an exclusion constraint is violated
    "22001": MISFIT,  # a text is too long for its column
    "22003": MISFIT,  # a number is out of range
    "22008": MISFIT,  # a date or an interval is out of range
    "22021": MISFIT,  # a text has a NUL character
    "22P05": MISFIT,  # a text has a character that the database's encoding lacks
    "08": Unavailable("The database connection was lost."),
    "28": Unavailable("The database refuses the login of the service."),
    "3D": Unavailable("The database does not exist."),
    "40001": CONFLICTED,
    "40P01": CONFLICTED,
    "53": Unavailable("The database is out of resources."),
    "55P03": Unavailable("The row is held by another transaction. Try again."),
    "57": Unavailable("The database stopped the statement."),
}

NOT_JSON = UnsupportedType("This route takes application/json.")

log = structlog.get_logger("errors")


async def handle_service_error(_request: Request, error: ServiceError) -> Response:
    """Answer a `ServiceError` with the status, the code and the sentence of the error."""
    retry = error.retry_after_seconds
    headers = {"Retry-After": str(retry)} if retry is not None else None
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("request failed on a service error", status=error.status, reason=error.detail, cause=_cause(error))
    return problem_response(error.status, error.detail, code=error.code, headers=headers)


async def handle_database_error(request: Request, error: DBAPIError) -> Response:
    """Answer a database error by the SQLSTATE; an unknown error is a bug and raised again."""
    state = _sqlstate(error)
    known = SQLSTATES.get(state) or SQLSTATES.get(state[:2])
    if known is None and is_stale(error):  # the database connection was lost, or a migration changed the tables
        known = SQLSTATES["08"] if error.connection_invalidated else CONFLICTED
    if known is None:
        raise error
    log.info("database refused a statement", sqlstate=state, reason=known.detail)
    return await handle_service_error(request, known)


async def handle_timeout(request: Request, error: TimeoutError) -> Response:
    """Answer a TimeoutError, such as asyncpg's command_timeout, with 503."""
    log.warning("request failed on a timeout", exc_info=error)
    return await handle_service_error(request, Unavailable("The service could not finish in time. Try again."))


async def handle_http_exception(_request: Request, error: HTTPException) -> Response:
    """Answer an HTTPException of the framework, for an unknown path, a wrong method or a body that is too large."""
    return problem_response(error.status_code, str(error.detail), headers=error.headers)


async def handle_disconnect(_request: Request, _error: ClientDisconnect) -> Response:
    """Answer 400 when the client disconnected while sending the body, so that the access log has a status."""
    return problem_response(400, "The body did not arrive whole.")


async def handle_validation_error(request: Request, error: RequestValidationError) -> Response:
    """Answer an invalid request with the rejected fields and the reasons, never with the rejected values."""
    if any(map(_is_no_json, error.errors())):
        return await handle_service_error(request, NOT_JSON)
    rejected = [FieldProblem(field=_field(item), reason=_reason(item)) for item in error.errors()]
    detail = "The request does not fit what this route takes."
    return problem_response(Invalid.status, detail, code=Invalid.code, errors=rejected)


async def handle_group(request: Request, error: ExceptionGroup[Exception]) -> Response:
    """Answer the failure of a task group with the first exception, which cancelled the other tasks.

    A group with an unexpected exception is a bug and raised again, so that the traceback reaches the log.
    """
    known = tuple(kind for kind in HANDLERS if isinstance(kind, type) and kind is not ExceptionGroup)
    if error.split(known)[1]:
        raise error
    leaf: Exception = error
    while isinstance(leaf, ExceptionGroup):
        leaf = leaf.exceptions[0]
    for kind, handler in HANDLERS.items():
        if isinstance(kind, type) and isinstance(leaf, kind):
            return await handler(request, leaf)
    raise error


HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    ServiceError: handle_service_error,
    HTTPException: handle_http_exception,
    ClientDisconnect: handle_disconnect,
    RequestValidationError: handle_validation_error,
    DBAPIError: handle_database_error,
    TimeoutError: handle_timeout,
    ExceptionGroup: handle_group,
}


def _sqlstate(error: DBAPIError) -> str:
    """Return the SQLSTATE of a database error, also if asyncpg refused the value before PostgreSQL saw it."""
    refusal = error.orig.__cause__ if error.orig else None
    if isinstance(getattr(refusal, "__cause__", None), OverflowError | UnicodeEncodeError):
        return "22003"  # the value is a number out of range, or text with half of a surrogate pair
    return getattr(error.orig, "sqlstate", None) or ""


def _is_no_json(item: Mapping[str, Any]) -> bool:
    """Tell whether a validation error means that the body has no JSON content type: FastAPI validated raw bytes."""
    return item["loc"] == ("body",) and item["type"].endswith("_type") and isinstance(item.get("input"), bytes)


def _field(item: Mapping[str, Any]) -> str:
    """Return the path of a rejected field, without an unknown field name, which is client input, or a JSON offset."""
    location = item["loc"][:-1] if item["type"] in {"extra_forbidden", "json_invalid"} else item["loc"]
    return ".".join(part if SAFE_NAME.fullmatch(part) else "?" for part in map(str, location))


def _reason(item: Mapping[str, Any]) -> str:
    """Return the reason why a field is rejected; replace the one pydantic message that quotes the client's input."""
    return "Input has an unknown tag" if item["type"] == "union_tag_invalid" else str(item["msg"])


def _cause(error: Exception) -> str | None:
    return type(error.__cause__).__name__ if error.__cause__ else None
