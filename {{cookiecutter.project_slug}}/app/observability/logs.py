"""One log format for everything in the process: the service, uvicorn, gunicorn, SQLAlchemy, alembic.

The service's own lines take the short way (structlog); lines of libraries come through the standard library's logging
and end in the same shape. All leave through one `LineWriter`: no reader of the log can stop the event loop.
"""

import json
import logging.config
import os
import sys
from functools import lru_cache, partial
from time import gmtime, strftime, time_ns
from typing import Any, Literal

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from app.observability.request_id import request_id
from app.observability.writer import STANDARD_OUTPUT, LineWriter

LogFormat = Literal["json", "console"]

LIBRARY_LOGGERS = ("uvicorn", "uvicorn.error", "gunicorn.error")
# At info level they write a line per call (with its whole URL) or per plugin.
TALKATIVE_LOGGERS = (
    *("httpx", "httpx2", "httpcore", "httpcore2"),
    *("alembic.runtime.plugins", "alembic.autogenerate"),
    "app.pool",  # SQLAlchemy names a pool's logger after its class
)
# The access log is the service's own, one line a request; theirs would be a second one without the request id.
SILENCED_LOGGERS = ("uvicorn.access", "gunicorn.access")

# None when it is no terminal. Windows has terminals that do not speak UTF-8.
TERMINAL_ENCODING = os.device_encoding(STANDARD_OUTPUT)


def configure(*, level: str, log_format: LogFormat) -> None:
    """Set up structlog and the standard library's logging for this process."""
    config = library_logging(level=level, log_format=log_format)
    config["handlers"]["stdout"] = {"()": LineHandler, "formatter": "structured"}
    logging.config.dictConfig(config)
    structlog.configure(
        processors=_processors(log_format),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_names: LineLogger,
        cache_logger_on_first_use=True,
    )
    output.loss_line = partial(_loss_line, log_format)
    output.close_at_signals()


def library_logging(*, level: str, log_format: LogFormat) -> dict[str, Any]:
    """Return the `logging.config` dictionary; gunicorn's master takes it as it is.

    The master forks, so it has no thread and writes itself; `configure` replaces the handler.
    """
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [*_shared(), structlog.stdlib.ExtraAdder(), _drop_colors],
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _exceptions(log_format),
            _text_renderer(log_format),
        ],
    }
    stdout = {"()": MasterHandler, "log_format": log_format, "formatter": "structured"}
    loud = {"handlers": [], "level": level.upper(), "propagate": True}
    warnings = {"handlers": [], "level": "WARNING", "propagate": True}
    silent = {"handlers": [], "level": "CRITICAL", "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structured": formatter},
        "handlers": {"stdout": stdout},
        "root": {"handlers": ["stdout"], "level": level.upper()},
        "loggers": dict.fromkeys(LIBRARY_LOGGERS, loud)
        | dict.fromkeys(TALKATIVE_LOGGERS, warnings)
        | dict.fromkeys(SILENCED_LOGGERS, silent),
    }


def _processors(log_format: LogFormat) -> list[Processor]:
    return [*_shared(), _exceptions(log_format), *_renderers(log_format)]


def _loss_line(log_format: LogFormat, count: int) -> bytes:
    """Render one more line as all others are rendered; the writer's thread asks for it."""
    event: Any = {"event": "log lines lost", "lines": count}
    for processor in _processors(log_format):
        event = processor(None, "warning", event)
    rendered: bytes = event
    return rendered


output = LineWriter(partial(_loss_line, "json"))
"""The one way out of this process for lines of the log."""


class LineLogger:
    """What structlog hands its rendered lines to."""

    debug = info = warning = error = critical = staticmethod(output.put)


class LineHandler(logging.Handler):
    """What the standard library hands its records to."""

    def emit(self, record: logging.LogRecord) -> None:
        """Format and write a record."""
        try:
            output.put(_encode(self.format(record)))
        except Exception:  # noqa: BLE001 - the handlers' own custom: a log call must not break its caller
            self.handleError(record)


class MasterHandler(LineHandler):
    """Does not wait either, and has no thread: a master that hangs in a line does not pass a SIGTERM on."""

    def __init__(self, log_format: LogFormat) -> None:
        super().__init__()
        output.loss_line = partial(_loss_line, log_format)
        output.close()  # a fork opens it again, in the child


def _shared() -> list[Processor]:
    return [structlog.contextvars.merge_contextvars, _stamp]


def _stamp(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Add the request's id, the level and the time, in one step: each processor is a call more per line."""
    value = request_id.get()
    if value is not None:
        event["request_id"] = value
    event["level"] = method  # the plain name already: `exception` arrives as error, `warn` as warning
    now = str(time_ns())
    event["timestamp"] = f"{_second_text(now[:-9])}.{now[-9:-3]}Z"
    return event


@lru_cache(maxsize=1)  # formatting a date takes as long as the rest of this step, and a second has many lines
def _second_text(second: str) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(int(second)))


def _exceptions(log_format: LogFormat) -> Processor:
    """Tracebacks are text in JSON; the console draws them itself. Neither shows local variables: they hold secrets."""
    return _exception_text if log_format == "json" else _keep


def _exception_text(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    return structlog.processors.format_exc_info(logger, method, event) if "exc_info" in event else event


def _renderers(log_format: LogFormat) -> list[Processor]:
    return [_to_json] if log_format == "json" else [_console(), _to_bytes]


def _text_renderer(log_format: LogFormat) -> Processor:
    return _to_json_text if log_format == "json" else _console()


def _console() -> Processor:
    return structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback)


def _to_json(_logger: WrappedLogger, _method: str, event: EventDict) -> bytes:
    try:
        return orjson.dumps(event, default=str)
    except TypeError:  # half a surrogate pair, or a number beyond 64 bits: a log call must not break its request
        return json.dumps(event, default=str).encode()


def _to_json_text(logger: WrappedLogger, method: str, event: EventDict) -> str:
    return _to_json(logger, method, event).decode()


def _to_bytes(_logger: WrappedLogger, _method: str, text: Any) -> bytes:  # noqa: ANN401 - a step later it is no dict
    return _encode(text)


def _encode(text: str) -> bytes:
    return text.encode(TERMINAL_ENCODING or "utf-8", errors="backslashreplace")


def _drop_colors(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event.pop("color_message", None)  # uvicorn repeats its message with terminal codes
    return event


def _keep(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return event
