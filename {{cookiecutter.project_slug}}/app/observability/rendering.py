"""The text of a log line: processors of structlog, which turn an event into the bytes of one line."""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache, partial
from time import gmtime, strftime, time_ns
from traceback import format_tb
from typing import Any, Literal

import orjson
import structlog
from structlog.contextvars import _CONTEXT_VARS, merge_contextvars
from structlog.typing import EventDict, Processor, WrappedLogger

from app.observability.writer import STANDARD_OUTPUT
from app.request.identity import request_id
from app.request.trace import trace

LogFormat = Literal["json", "console"]

# The encoding in which a terminal needs the log lines, on Windows not always UTF-8; None if the output is no terminal.
TERMINAL_ENCODING = os.device_encoding(STANDARD_OUTPUT)


def processors_of(log_format: LogFormat, fields: Mapping[str, str]) -> list[Processor]:
    """Return the structlog processors of a log format; every log line has the keys of `fields`."""
    rendering = [exception_text, to_json] if log_format == "json" else [console(), _to_bytes]
    return [partial(stamped, fields), *rendering]


def rendered(processors: Iterable[Processor], level: str, event: Any) -> bytes:  # noqa: ANN401 - processors turn an event dict into bytes
    """Return the bytes of the log line for an event, by calling one structlog processor after the other."""
    for processor in processors:
        event = processor(None, level, event)
    line: bytes = event
    return line


def stamped(fields: Mapping[str, str], logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Add service, request id, trace id, level and time to a log event: one processor, as each costs a call."""
    if _CONTEXT_VARS:  # empty until the first call of structlog's `bind_contextvars`: then there is nothing to merge
        event = merge_contextvars(logger, method, event)
    event.update(fields)
    value, in_trace = request_id.get(), trace.get()
    if value is not None:
        event["request_id"] = value
    if in_trace is not None:
        event["trace_id"] = in_trace.number
    event["level"] = method  # structlog has turned the method `exception` into the level error, `warn` into warning
    now = str(time_ns())
    event["timestamp"] = f"{_second_text(now[:-9])}.{now[-9:-3]}Z"
    return event


@lru_cache(maxsize=1)  # formatting a date is slow, and many lines have the same second
def _second_text(second: str) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(int(second)))


def exception_text(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Render a traceback as text for the JSON format, without messages and local variables, which may show secrets."""
    return format_stacks(logger, method, event) if "exc_info" in event else event


format_stacks = structlog.processors.ExceptionRenderer(lambda exc_info: "\n".join(stacks(exc_info[1], set())))


def stacks(error: BaseException | None, seen: set[int]) -> Iterator[str]:
    """Yield the stack and the class of an exception, after those of the cause and of the exceptions in a group.

    The message of the exception is left out, because it may have values: PostgreSQL quotes the value that it refused,
    and the message of a KeyError is the key.
    """
    if error is None or id(error) in seen:  # an exception may be its own cause, a loop without end
        return
    seen.add(id(error))
    yield from stacks(error.__cause__ or (None if error.__suppress_context__ else error.__context__), seen)
    for part in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from stacks(part, seen)
    frames, kind = "".join(format_tb(error.__traceback__)), type(error)
    yield f"Traceback (most recent call last):\n{frames}{kind.__module__}.{kind.__qualname__}"


def console() -> Processor:
    """Return the structlog renderer of log lines for people, coloured on a terminal."""
    # `sort_keys` is off, so that an access log line begins with the HTTP method
    plain = structlog.dev.plain_traceback
    return structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=plain, sort_keys=False)


def to_json(_logger: WrappedLogger, _method: str, event: EventDict) -> bytes:
    """Render a log event as one line of JSON."""
    try:
        return orjson.dumps(event, default=str)
    except TypeError:  # orjson refuses half a surrogate pair and numbers beyond 64 bits, but a log call must not fail
        return json.dumps(event, default=str).encode()


def _to_bytes(_logger: WrappedLogger, _method: str, text: Any) -> bytes:  # noqa: ANN401 - structlog declares a dict, but the console renderer returns text
    return encoded(text)


def encoded(text: str) -> bytes:
    """Return a log line as bytes: in the encoding of the terminal, or in UTF-8 without a terminal."""
    return text.encode(TERMINAL_ENCODING or "utf-8", errors="backslashreplace")
