"""Refusals that the server sends before the application sees a request: problem responses (RFC 9457) as raw bytes."""

from collections.abc import Mapping, Sequence

import structlog

from app.request.identity import MAX_PATH, request_id
from app.request.trace import new_trace, trace
from app.web.default_headers import with_defaults
from app.web.problem import problem_response
from app.web.request_id import HEADER, new_id, read

Refusal = tuple[int, str, Mapping[str, str]]
"""The HTTP status of a refusal, a sentence for the client, and further headers."""

NOT_HTTP: Refusal = 400, "This is not a valid HTTP/1.1 request.", {}
NO_ROOM: Refusal = 503, "The service has too many connections.", {"Retry-After": "1"}

log = structlog.get_logger("protocol")


def refusal_bytes(
    refusal: Refusal, client: tuple[str, int] | None, url: bytes = b"", headers: Sequence[tuple[bytes, bytes]] = ()
) -> bytes:
    """Log the refusal of a request, and return the bytes of the response, which announces the close of the connection.

    The function sets the request id and the trace for the log line, so call it in a copy of the context.

    Args:
        refusal: the status, the sentence and the headers.
        client: the address of the client, if the connection has an address.
        url: the URL of the request, if it was parsed.
        headers: the headers of the request, which may have a request id.
    """
    status, detail, own = refusal
    given, _ = read({"headers": headers})
    value = (given or new_id()).decode()
    request_id.set(value)
    trace.set(new_trace("" if given else value))
    path = url.partition(b"?")[0][:MAX_PATH].decode("latin-1")
    log.info("request refused before routing", status=status, reason=detail, path=path, client=client and client[0])
    response = problem_response(status, detail, headers={HEADER.decode(): value, "connection": "close", **own})
    lines = b"".join(b"%s: %s\r\n" % pair for pair in with_defaults(response.raw_headers))
    return b"HTTP/1.1 %d \r\n%s\r\n%s" % (status, lines, bytes(response.body))
