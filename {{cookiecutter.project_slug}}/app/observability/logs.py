"""One log format for all lines of the process: from the service, uvicorn, gunicorn, SQLAlchemy and alembic.

The service logs through structlog alone, which is fast; libraries log through the standard library's logging, which
renders the same keys. All lines are written by one `LineWriter`, so a slow log reader cannot block the event loop.
"""

import logging.config
from collections.abc import Mapping
from functools import partial
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from app.observability.rendering import (
    LogFormat,
    console,
    encoded,
    exception_text,
    processors_of,
    rendered,
    stamped,
    to_json,
)
from app.observability.writer import LineWriter

LIBRARY_LOGGERS = ("uvicorn", "uvicorn.error", "gunicorn.error")
# Only warnings and errors of these loggers are written. At info level httpx logs each call with the whole URL.
TALKATIVE_LOGGERS = (
    *("httpx", "httpx2", "httpcore", "httpcore2"),
    *("alembic.runtime.plugins", "alembic.autogenerate"),
    "app.database.pool",  # SQLAlchemy names the logger of the connection pool after the module of the pool class
)
# The access logs of uvicorn and gunicorn are off: `AccessLog` writes a line per request, with the request id.
SILENCED_LOGGERS = ("uvicorn.access", "gunicorn.access")
REPEATED = ("Invalid HTTP", '%s - "WebSocket', "connection ", "ASGI callable returned without completing h")

LOGGED = "_logged"
"""The name of the attribute that `mark_logged` sets on an exception which has a log line already."""

NO_FIELDS: Mapping[str, str] = {}


def configure(*, level: str, log_format: LogFormat, fields: Mapping[str, str] = NO_FIELDS) -> None:
    """Set up structlog and the standard library's logging for this process; every line has the keys of `fields`."""
    config = library_logging(level=level, log_format=log_format, fields=fields)
    config["handlers"]["stdout"] = {"()": LineHandler, "formatter": "structured"}
    logging.config.dictConfig(config)
    structlog.configure(
        processors=processors_of(log_format, fields),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_names: LineLogger,
        cache_logger_on_first_use=True,
    )
    output.loss_line = partial(_loss_line, log_format, fields)
    output.close_at_signals()


def library_logging(*, level: str, log_format: LogFormat, fields: Mapping[str, str] = NO_FIELDS) -> dict[str, Any]:
    """Return the `logging.config` dictionary for the log lines of libraries, in workers and in gunicorn's master.

    The dictionary has the handler of the master process, which forks and so must write lines without a thread. In a
    worker, `configure` replaces that handler.
    """
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [partial(stamped, fields), structlog.stdlib.ExtraAdder(), _drop_colors],
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *([exception_text, lambda *line: to_json(*line).decode()] if log_format == "json" else [console()]),
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
    """A log filter for uvicorn and gunicorn: drops the log records of events that the service has logged itself."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether to write a log record; False if the service has logged the same event itself."""
        error = record.exc_info[1] if record.exc_info else None
        return not str(record.msg).startswith(REPEATED) and (error is None or LOGGED not in vars(error))


def write(event: EventDict) -> None:
    """Write a log line at level info without a structlog logger, which would double the cost of an access log line."""
    if logging.root.isEnabledFor(logging.INFO):
        output.put(rendered(structlog.get_config()["processors"], "info", event))


def _loss_line(log_format: LogFormat, fields: Mapping[str, str], count: int) -> bytes:
    """Render the log line that reports the number of lost log lines; the thread of the log writer calls this."""
    return rendered(processors_of(log_format, fields), "warning", {"event": "log lines lost", "lines": count})


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
            output.put(encoded(self.format(record)))
        except Exception:  # noqa: BLE001 - as in the standard library's handlers: a log call must not break the caller
            self.handleError(record)


class MasterHandler(LineHandler):
    """The log handler of gunicorn's master process: writes lines without a thread, and never waits for the log reader.

    A master process that waits could not pass a SIGTERM on to the workers.
    """

    def __init__(self, log_format: LogFormat, fields: Mapping[str, str]) -> None:
        super().__init__()
        output.loss_line = partial(_loss_line, log_format, fields)
        output.close()  # a closed log writer writes without a thread; a forked worker starts with a thread again


def _drop_colors(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event.pop("color_message", None)  # uvicorn repeats the message with terminal colours in `color_message`
    return event
