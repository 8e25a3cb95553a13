"""Problem responses: every error response is problem JSON (RFC 9457) with a stable code and the request id.

No error response shows internals: neither values of the request, nor SQL, nor a traceback.
"""

import json
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, Field
from starlette.responses import Response

from app.request.identity import request_id

MEDIA_TYPE = "application/problem+json"

SHOWN_ERRORS = 20
"""The most rejected fields that an error response lists. Without this bound, a client that sends thousands of unknown
keys would get a response eight times as large as its request."""

ERRORS: Mapping[int, tuple[str, str]] = {
    400: ("bad_request", "The request is malformed, or the route does not read its `Idempotency-Key`."),
    401: ("unauthorized", "The request has no valid credentials."),
    403: ("forbidden", "The credentials do not allow the request."),
    404: ("not_found", "The requested object does not exist."),
    405: ("method_not_allowed", "The path has no such method."),
    408: ("request_timeout", "The body came too slowly."),
    409: ("conflict", "The state of the object forbids this, or the same `Idempotency-Key` is being worked on."),
    412: ("precondition_failed", "The object has changed since the client read it: `If-Match` names an old version."),
    413: ("content_too_large", "The body is too large."),
    414: ("uri_too_long", "The URL is too long."),
    415: ("unsupported_media_type", "The body has a media type that the route does not read, or is compressed."),
    422: ("invalid_request", "The request makes no sense, or its `Idempotency-Key` came with a different request."),
    428: ("precondition_required", "The write needs an `If-Match` header."),
    429: ("too_many_requests", "The client exceeded a rate limit."),
    431: ("headers_too_large", "The headers are too large."),
    500: ("internal_error", "A bug of the service: quote the request id when you report it."),
    502: ("downstream_failed", "A downstream failed."),
    503: ("unavailable", "The service, or a part that it needs, is unreachable or full: repeat after `Retry-After`."),
    504: ("deadline_exceeded", "No answer in time. A write may have happened: repeat it with its `Idempotency-Key`."),
}
"""The stable code and the meaning of each HTTP error status. An error response has this code, unless the error is a
`ServiceError` with a code of its own; the OpenAPI document shows the meaning."""


class FieldProblem(BaseModel):
    """A rejected field of a request. The rejected value is left out: it may be a secret, or bytes that are no text."""

    field: str = Field(examples=["body.lines.0.quantity"])
    reason: str = Field(examples=["Input should be greater than 0"])


class Problem(BaseModel):
    """The body of every error response (RFC 9457)."""

    type: str = Field(default="about:blank", description="Always about:blank; `code` tells errors apart.")
    code: str = Field(examples=["not_found"], description="Stable and for machines; the README lists all codes.")
    title: str = Field(examples=["Not found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no customer 7."])
    request_id: str = Field(description="Also in the X-Request-ID header and in every log line of this request.")
    errors: list[FieldProblem] = Field(default=[], description="The first rejected fields of an invalid request.")
    error_count: int = Field(default=0, description="The number of all rejected fields of an invalid request.")


def problem_response(
    status: int,
    detail: str,
    *,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[FieldProblem] = (),
) -> Response:
    """Build an error response in plain ASCII, so that no character of client input can break the JSON.

    Args:
        status: the HTTP status.
        detail: a sentence for the client.
        code: the stable machine code; by default the code of the status.
        headers: additional headers.
        errors: the rejected fields, of which the response shows the first SHOWN_ERRORS.
    """
    code = code or ERRORS.get(status, (f"http_{status}",))[0]
    body = Problem(
        code=code,
        title=code.replace("_", " ").capitalize(),
        status=status,
        detail=detail,
        request_id=request_id.get() or "",
        errors=list(errors[:SHOWN_ERRORS]),
        error_count=len(errors),
    )
    content = json.dumps(body.model_dump(exclude=None if errors else {"errors", "error_count"}), ensure_ascii=True)
    return Response(content, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def internal_error() -> Response:
    """Build the 500 response to an unexpected exception, with the request id; only the log has the traceback."""
    return problem_response(500, "The service failed. Quote the request id when you report it.")
