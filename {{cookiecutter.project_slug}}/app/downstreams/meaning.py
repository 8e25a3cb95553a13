"""What goes into a path, and what an answer means."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from app.downstreams.client import Answer
from app.downstreams.retry import asked_pause
from app.errors import (
    DownstreamBadResponse,
    DownstreamError,
    DownstreamNotFound,
    DownstreamRejected,
    DownstreamUnavailable,
)

OK, MULTIPLE_CHOICES, BAD_REQUEST, NOT_FOUND, TOO_MANY_REQUESTS, SERVER_ERROR = 200, 300, 400, 404, 429, 500
CLIMBING = frozenset({"", ".", ".."})  # percent-encoding does not change what they mean


def encoded(parts: Sequence[str]) -> str:
    """Return a path of these parts, whatever is in them.

    Raises:
        ValueError: a part is empty or dots, which would name another place.
    """
    if any(part.partition(";")[0] in CLIMBING for part in parts):  # some servers cut a segment at a semicolon
        raise ValueError("An empty text, '.' and '..' cannot be a part of a path.")
    return "/".join(quote(part, safe="") for part in parts)


def error_in(name: str, answer: Answer) -> DownstreamError | None:
    """Return what an answer's status says went wrong, None when nothing did."""
    status = answer.status
    said = f"it answered {status}."
    if OK <= status < MULTIPLE_CHOICES:
        return None
    if status >= SERVER_ERROR or status == TOO_MANY_REQUESTS:
        return DownstreamUnavailable(name, said, asked_pause(answer.headers.get("retry-after")))
    if status == NOT_FOUND:
        return DownstreamNotFound(name, status, "it knows no such thing.")
    if status >= BAD_REQUEST:
        return DownstreamRejected(name, status)
    return DownstreamBadResponse(name, said)


def json_in(name: str, answer: Answer) -> Any:  # noqa: ANN401 - JSON may be anything; the caller validates it
    """Return the JSON of an answer, None when it is empty.

    Raises:
        DownstreamBadResponse: it is something else.
    """
    if not answer.body:
        return None
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise DownstreamBadResponse(name, "its answer does not say that it is JSON.")
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError) as error:  # deeply nested JSON is the second
        raise DownstreamBadResponse(name, "its answer is not JSON.") from error
