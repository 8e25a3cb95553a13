"""Responses of downstreams: functions that return the JSON or the error of a response, and build URL paths."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from app.downstreams.client import Answer
from app.downstreams.retry_budget import retry_after
from app.errors import (
    DownstreamBadResponse,
    DownstreamError,
    DownstreamNotFound,
    DownstreamRejected,
    DownstreamUnavailable,
)

OK, MULTIPLE_CHOICES, BAD_REQUEST, NOT_FOUND, TOO_MANY_REQUESTS, SERVER_ERROR = 200, 300, 400, 404, 429, 500
DOT_SEGMENTS = frozenset({"", ".", ".."})  # URL path segments that change the path, even if percent-encoded


def encoded(segments: Sequence[str]) -> str:
    """Return a URL path built from segments, each percent-encoded.

    Raises:
        ValueError: a segment is empty, `.` or `..`, and would lead to a different path.
    """
    # Some servers ignore everything after a semicolon in a segment, and so read `..;x` as `..`.
    if any(segment.partition(";")[0] in DOT_SEGMENTS for segment in segments):
        raise ValueError("An empty text, '.' and '..' cannot be a segment of a path.")
    return "/".join(quote(segment, safe="") for segment in segments)


def error_in(name: str, answer: Answer) -> DownstreamError | None:
    """Return the error for the HTTP status of a downstream's response, or None for a 2xx status."""
    status = answer.status
    said = f"it answered {status}."
    if OK <= status < MULTIPLE_CHOICES:
        return None
    if status >= SERVER_ERROR or status == TOO_MANY_REQUESTS:
        return DownstreamUnavailable(name, said, retry_after(answer.headers.get("retry-after")))
    if status == NOT_FOUND:
        return DownstreamNotFound(name, status, "it did not find the object.")
    if status >= BAD_REQUEST:
        return DownstreamRejected(name, status)
    return DownstreamBadResponse(name, said)


def json_in(name: str, answer: Answer) -> Any:  # noqa: ANN401 - JSON may be any value; the caller validates it
    """Return the JSON of a downstream's response, None when the body is empty.

    Raises:
        DownstreamBadResponse: the media type is not JSON, or the body cannot be parsed.
    """
    if not answer.body:
        return None
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise DownstreamBadResponse(name, "its response is not declared as JSON.")
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError) as error:  # json.loads raises RecursionError for deeply nested JSON
        raise DownstreamBadResponse(name, "its response is not JSON.") from error
