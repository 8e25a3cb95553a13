"""One log format for everything in the process: the service, uvicorn, gunicorn, SQLAlchemy, alembic.

The service's own lines take the short way (structlog straight to stdout); lines of libraries come through the standard
library's logging and end in the same shape.
"""

import json
import logging.config
import sys
from typing import Any, Literal

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

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


def configure(*, level: str, log_format: LogFormat) -> None:
    """Set up structlog and the standard library's logging for this process."""
    logging.config.dictConfig(library_logging(level=level, log_format=log_format))
    factory = structlog.BytesLoggerFactory() if log_format == "json" else structlog.PrintLoggerFactory()
    structlog.configure(
        processors=[*_shared(), _exceptions(log_format), _renderer(log_format)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )


def library_logging(*, level: str, log_format: LogFormat) -> dict[str, Any]:
    """Return the `logging.config` dictionary; gunicorn's master takes it as it is."""
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [*_shared(), structlog.stdlib.ExtraAdder(), _drop_colors],
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _exceptions(log_format),
            _text_renderer(log_format),
        ],
    }
    loud = {"handlers": [], "level": level.upper(), "propagate": True}
    warnings = {"handlers": [], "level": "WARNING", "propagate": True}
    silent = {"handlers": [], "level": "CRITICAL", "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structured": formatter},
        "handlers": {
            "stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "structured"}
        },
        "root": {"handlers": ["stdout"], "level": level.upper()},
        "loggers": dict.fromkeys(LIBRARY_LOGGERS, loud)
        | dict.fromkeys(TALKATIVE_LOGGERS, warnings)
        | dict.fromkeys(SILENCED_LOGGERS, silent),
    }


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _exceptions(log_format: LogFormat) -> Processor:
    """Tracebacks are text in JSON; the console draws them itself. Neither shows local variables: they hold secrets."""
    return structlog.processors.format_exc_info if log_format == "json" else _keep


def _renderer(log_format: LogFormat) -> Processor:
    if log_format == "json":
        return structlog.processors.JSONRenderer(serializer=_dump_bytes)
    return _text_renderer(log_format)


def _text_renderer(log_format: LogFormat) -> Processor:
    if log_format == "json":
        return structlog.processors.JSONRenderer(serializer=_dump_text)
    return structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback)


def _dump_bytes(event: EventDict, **_options: object) -> bytes:
    try:
        return orjson.dumps(event, default=str)
    except TypeError:  # half a surrogate pair, or a number beyond 64 bits: a log call must not break its request
        return json.dumps(event, default=str).encode()


def _dump_text(event: EventDict, **options: object) -> str:
    return _dump_bytes(event, **options).decode()


def _drop_colors(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event.pop("color_message", None)  # uvicorn repeats its message with terminal codes
    return event


def _keep(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return event
