"""One log format for all lines of the process: from the service, uvicorn, gunicorn, SQLAlchemy and alembic.

The service logs through structlog alone, which is fast; libraries log through the standard library's logging, which
renders the same keys. All lines are written by one `LineWriter`, so a slow log reader cannot block the event loop.
"""

import json
import logging.config
import os
import sys
from collections.abc import Mapping
from functools import lru_cache, partial
from time import gmtime, strftime, time_ns
from typing import Any, Literal

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from app.observability.exceptions import exception_text
from app.observability.writer import STANDARD_OUTPUT, LineWriter
from app.request.identity import request_id
from app.request.trace import trace

LogFormat = Literal["json", "console"]
LIBRARY_LOGGERS = ("uvicorn", "uvicorn.error", "gunicorn.error")
# Only warnings of these loggers are written: at info level they write a line for each call, with the whole URL.
TALKATIVE_LOGGERS = (
    *("httpx", "httpx2", "httpcore", "httpcore2"),
    *("alembic.runtime.plugins", "alembic.autogenerate"),
    "app.database.pool",  # SQLAlchemy names this logger after the class of the pool
)
# The service writes an access log line per request itself; that of uvicorn or gunicorn would lack the request id.
SILENCED_LOGGERS = ("uvicorn.access", "gunicorn.access")
REPEATED = ("Invalid HTTP request received.", '%s - "WebSocket %s"')  # uvicorn's; the service logs these events too

LOGGED = "_logged"
"""The name of the attribute that `mark_logged` sets on an exception which has a log line already."""

NO_FIELDS: Mapping[str, str] = {}

# None when standard output is no terminal. Lines for a terminal need its encoding, which may not be UTF-8 on Windows.
TERMINAL_ENCODING = os.device_encoding(STANDARD_OUTPUT)


def configure(*, level: str, log_format: LogFormat, fields: Mapping[str, str] = NO_FIELDS) -> None:
    """Set up structlog and the standard library's logging for this process; every line has the keys of `fields`."""
    config = library_logging(level=level, log_format=log_format, fields=fields)
    config["handlers"]["stdout"] = {"()": LineHandler, "formatter": "structured"}
    logging.config.dictConfig(config)
    structlog.configure(
        processors=_processors(log_format, fields),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_names: LineLogger,
        cache_logger_on_first_use=True,
    )
    output.loss_line = partial(_loss_line, log_format, fields)
    output.close_at_signals()


def library_logging(*, level: str, log_format: LogFormat, fields: Mapping[str, str] = NO_FIELDS) -> dict[str, Any]:
    """Return the `logging.config` dictionary for the log lines of libraries, in workers and in gunicorn's master.

    The master forks, so its handler writes lines without a thread; `configure` replaces this handler in a worker.
    """
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [*_shared(fields), structlog.stdlib.ExtraAdder(), _drop_colors],
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *([exception_text, lambda *line: _to_json(*line).decode()] if log_format == "json" else [_console()]),
        ],
    }
    stdout = {"()": MasterHandler, "log_format": log_format, "fields": fields, "formatter": "structured"}
    loud = {"handlers": [], "level": level.upper(), "propagate": True, "filters": ["unlogged"]}
    warnings = {"handlers": [], "level": "WARNING", "propagate": True}
    silent = {"handlers": [], "level": "CRITICAL", "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structured": formatter},
        "filters": {"unlogged": {"()": UnloggedFilter}},
        "handlers": {"stdout": stdout},
        "root": {"handlers": ["stdout"], "level": level.upper()},
        "loggers": dict.fromkeys(LIBRARY_LOGGERS, loud)
        | dict.fromkeys(TALKATIVE_LOGGERS, warnings)
        | dict.fromkeys(SILENCED_LOGGERS, silent),
    }


def mark_logged(error: Exception) -> None:
    """Mark an exception that has a log line already, so that the server does not log the exception a second time."""
    vars(error)[LOGGED] = True


class UnloggedFilter(logging.Filter):
    """A log filter for uvicorn and gunicorn: leaves out records of events that the service has logged itself."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a log record is to be written: not if the service has logged the same event."""
        error = record.exc_info[1] if record.exc_info else None
        return not str(record.msg).startswith(REPEATED) and (error is None or LOGGED not in vars(error))


def _processors(log_format: LogFormat, fields: Mapping[str, str]) -> list[Processor]:
    return [*_shared(fields), *([exception_text, _to_json] if log_format == "json" else [_console(), _to_bytes])]


def _loss_line(log_format: LogFormat, fields: Mapping[str, str], count: int) -> bytes:
    """Render the log line that reports how many lines were lost; the thread of the log writer calls this."""
    event: Any = {"event": "log lines lost", "lines": count}
    for processor in _processors(log_format, fields):
        event = processor(None, "warning", event)
    rendered: bytes = event
    return rendered


output = LineWriter(partial(_loss_line, "json", NO_FIELDS))
"""The log writer of this process, which writes all log lines to standard output."""


class LineLogger:
    """The logger that structlog calls with rendered lines: queues each line in the log writer."""

    debug = info = warning = error = critical = staticmethod(output.put)


class LineHandler(logging.Handler):
    """The handler for the standard library's logging: formats a record and queues the line in the log writer."""

    def emit(self, record: logging.LogRecord) -> None:
        """Format a log record and queue the line in the log writer."""
        try:
            output.put(_encode(self.format(record)))
        except Exception:  # noqa: BLE001 - as in the standard library's handlers: a log call must not break the caller
            self.handleError(record)


class MasterHandler(LineHandler):
    """The log handler of gunicorn's master process: writes lines without a thread, and never waits for the log reader.

    A master process that waits could not pass a SIGTERM on to the workers.
    """

    def __init__(self, log_format: LogFormat, fields: Mapping[str, str]) -> None:
        super().__init__()
        output.loss_line = partial(_loss_line, log_format, fields)
        output.close()  # `put` then writes without a thread; a forked worker starts again with a thread


def _shared(fields: Mapping[str, str]) -> list[Processor]:
    return [structlog.contextvars.merge_contextvars, partial(_stamp, fields)]


def _stamp(fields: Mapping[str, str], _logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Add service, request, level and time to a log event; one structlog processor for all, as each costs a call."""
    event.update(fields)
    value, in_trace = request_id.get(), trace.get()
    if value is not None:
        event["request_id"] = value
    if in_trace is not None:
        event["trace_id"] = in_trace.number
    event["level"] = method  # structlog has turned `exception` into error, `warn` into warning
    now = str(time_ns())
    event["timestamp"] = f"{_second_text(now[:-9])}.{now[-9:-3]}Z"
    return event


@lru_cache(maxsize=1)  # formatting a date is slow, and many lines have the same second
def _second_text(second: str) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(int(second)))


def _console() -> Processor:
    plain = structlog.dev.plain_traceback  # no sorting: an access line begins with method, path and status
    return structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=plain, sort_keys=False)


def _to_json(_logger: WrappedLogger, _method: str, event: EventDict) -> bytes:
    try:
        return orjson.dumps(event, default=str)
    except TypeError:  # orjson refuses half a surrogate pair and numbers beyond 64 bits, but a log call must not fail
        return json.dumps(event, default=str).encode()


def _to_bytes(_logger: WrappedLogger, _method: str, text: Any) -> bytes:  # noqa: ANN401 - structlog declares a dict, but the console renderer returns text
    return _encode(text)


def _encode(text: str) -> bytes:
    return text.encode(TERMINAL_ENCODING or "utf-8", errors="backslashreplace")


def _drop_colors(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event.pop("color_message", None)  # uvicorn repeats the message with terminal colours in this key
    return event
