"""Every failure becomes one kind of answer: RFC 9457 problem JSON with the request id. Nothing internal leaves.

Error classes that are expected have a handler here. What is left is a bug and ends in `middleware/catch_all.py`, which
answers with `internal_error()` from this file.
"""

import json
import re
from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from app.errors import Conflict, Invalid, ServiceError, Unavailable, UnsupportedType
from app.observability.request_id import request_id
from app.reader import is_stale

MEDIA_TYPE = "application/problem+json"
SAFE_NAME = re.compile(r"[A-Za-z0-9_.\-\[\]]{1,64}")

# The first two characters of a SQLSTATE are its class. Source: PostgreSQL's manual, appendix A, "Error Codes".
SQLSTATE_CLASSES: Mapping[str, ServiceError] = {
    "22": Invalid("A value does not fit its column."),
    "23": Conflict("This contradicts what is already stored."),
    "08": Unavailable("The database connection was lost."),
    "28": Unavailable("The database does not let the service in."),
    "3D": Unavailable("The database does not exist."),
    "40": Unavailable("The transaction met another one. Try again."),
    "53": Unavailable("The database is out of resources."),
    "55": Unavailable("The row is held by another transaction. Try again."),
    "57": Unavailable("The database stopped the statement."),
}

NOT_JSON = UnsupportedType("This route takes application/json.")

PHRASES = {status.value: status.phrase for status in HTTPStatus}

log = structlog.get_logger("problems")


class FieldProblem(BaseModel):
    """One rejected part of a request. The rejected value is never repeated: it may be a secret, or not even be text."""

    field: str = Field(examples=["body.lines.0.quantity"])
    reason: str = Field(examples=["Input should be greater than 0"])


class Problem(BaseModel):
    """The body of every error answer (RFC 9457)."""

    type: str = Field(default="about:blank", description="Always about:blank: the status says what kind it is.")
    title: str = Field(examples=["Not found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no customer 7."])
    request_id: str = Field(description="Also in the X-Request-ID header and in every log line of this request.")
    errors: list[FieldProblem] = Field(default=[], description="The rejected parts of an invalid request.")


def problem(
    status: int,
    title: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    errors: list[FieldProblem] | None = None,
) -> Response:
    """Build the answer. Its text is plain ASCII, so that no character of a client's own can break it."""
    body = Problem(title=title, status=status, detail=detail, request_id=request_id.get() or "", errors=errors or [])
    content = json.dumps(body.model_dump(exclude=None if errors else {"errors"}), ensure_ascii=True)
    return Response(content, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def internal_error() -> Response:
    """Answer a bug: the client gets an id to quote, the log has the rest."""
    return problem(500, "Internal error", "The service failed. Quote the request id when you report it.")


async def handle_service_error(_request: Request, error: ServiceError) -> Response:
    """Answer an expected failure with its own status and sentence."""
    retry = error.retry_after_seconds
    headers = {"Retry-After": str(retry)} if retry is not None else None
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("request failed", status=error.status, reason=error.detail, cause=_cause(error))
    return problem(error.status, error.title, error.detail, headers=headers)


async def handle_database_error(request: Request, error: DBAPIError) -> Response:
    """Answer what PostgreSQL refused, by the class of its SQLSTATE; an unknown class is a bug of ours."""
    state = getattr(error.orig, "sqlstate", None) or ""
    known = SQLSTATE_CLASSES.get(state[:2])
    if known is None and is_stale(error):
        known = SQLSTATE_CLASSES["08" if error.connection_invalidated else "40"]  # the other one was a migration
    if known is None:
        raise error
    log.info("database refused", sqlstate=state, reason=known.detail)
    return await handle_service_error(request, known)


async def handle_timeout(request: Request, error: TimeoutError) -> Response:
    """Answer a wait that reached its bound, such as asyncpg's command_timeout, which is a bare TimeoutError."""
    log.warning("timed out", exc_info=error)
    return await handle_service_error(request, Unavailable("The service could not finish in time. Try again."))


async def handle_http_exception(_request: Request, error: HTTPException) -> Response:
    """Answer what the framework itself refuses: unknown path, wrong method, a body that is too large."""
    title = PHRASES.get(error.status_code, "Error")
    return problem(error.status_code, title, str(error.detail), headers=error.headers)


async def handle_disconnect(_request: Request, _error: ClientDisconnect) -> Response:
    """Answer for the access log: a client that left while it sent its body is no bug of ours."""
    return problem(400, "Bad Request", "The body did not arrive whole.")


async def handle_validation_error(request: Request, error: RequestValidationError) -> Response:
    """Answer an invalid request with what is wrong where, never with the value that was wrong."""
    if any(map(_is_no_json, error.errors())):
        return await handle_service_error(request, NOT_JSON)
    rejected = [FieldProblem(field=_field(item), reason=_reason(item)) for item in error.errors()]
    return problem(Invalid.status, Invalid.title, "The request does not fit what this route takes.", errors=rejected)


async def handle_group(request: Request, error: ExceptionGroup[Exception]) -> Response:
    """Answer for a task group with its first failure; that one cancelled the rest.

    If any of the failures is a bug, the whole is one: it must reach the log, whatever the others say.
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


def _is_no_json(item: Mapping[str, Any]) -> bool:
    """Tell whether the media type is what is wrong: FastAPI leaves such a body as bytes, which JSON has none of."""
    return item["loc"] == ("body",) and item["type"].endswith("_type") and isinstance(item.get("input"), bytes)


def _field(item: Mapping[str, Any]) -> str:
    """Name the place; an unknown field is left out like a value, the key of a mapping stays if it is a plain name."""
    location = item["loc"][:-1] if item["type"] == "extra_forbidden" else item["loc"]
    return ".".join(part if SAFE_NAME.fullmatch(part) else "?" for part in map(str, location))


def _reason(item: Mapping[str, Any]) -> str:
    """Say what is wrong; one of pydantic's messages quotes the input."""
    return "Input has an unknown tag" if item["type"] == "union_tag_invalid" else str(item["msg"])


def _cause(error: Exception) -> str | None:
    return type(error.__cause__).__name__ if error.__cause__ else None


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses=` of a route that may answer with these statuses."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def add_problem_schema(app: FastAPI) -> None:
    """Describe `Problem` in OpenAPI: FastAPI describes response models, and only ever as application/json."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        template = "#/components/schemas/{model}"
        own = Problem.model_json_schema(ref_template=template)
        schemas.update(own.pop("$defs"), Problem=own)
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        return document

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way to extend the schema
