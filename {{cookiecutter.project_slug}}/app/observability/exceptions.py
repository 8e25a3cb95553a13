"""The text of an exception on a JSON log line: its classes and its stack; messages only if the settings ask for them.

A message has the values of customers: PostgreSQL quotes the value that it refused, and a KeyError is a key and nothing
else. Local variables are never shown.
"""

from collections.abc import Iterator
from traceback import format_exception, format_tb

import structlog
from structlog.typing import EventDict, ExcInfo, WrappedLogger


class Exceptions:
    """The way in which this process renders exceptions."""

    messages = False
    """Whether log lines have the messages of exceptions; set by `create_app`."""


rendering = Exceptions()
"""The way in which this process renders exceptions."""


def _text_of(exc_info: ExcInfo) -> str:
    if rendering.messages:
        return "".join(format_exception(exc_info[1])).rstrip("\n")
    return "\n".join(_without_messages(exc_info[1], set()))


def _without_messages(error: BaseException, seen: set[int]) -> Iterator[str]:
    """Yield the stack and the class of an exception: causes first, the exceptions of a group last."""
    if id(error) in seen:
        return
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _without_messages(before, seen)
    name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    state = getattr(error, "sqlstate", None)  # of asyncpg's errors
    stack = "".join(format_tb(error.__traceback__))
    yield f"Traceback (most recent call last):\n{stack}{name}{f' (SQLSTATE {state})' if state else ''}"
    for part in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from _without_messages(part, seen)


_render = structlog.processors.ExceptionRenderer(_text_of)


def exception_text(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Render the exception of a log event as text, for the JSON format."""
    return _render(logger, method, event) if "exc_info" in event else event
