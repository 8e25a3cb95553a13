"""The table of programs that the benchmarks compare; a new program is a new row."""

from collections.abc import Mapping
from dataclasses import dataclass, field

BASELINE = (
    *("--worker-class=uvicorn_worker.UvicornWorker", "--keep-alive=75"),
    *("--no-control-socket", "--config=/dev/null"),
)
"""gunicorn's arguments for a baseline, which has no configuration file: worker, loop and parser as in the service."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A program that the benchmarks compare, run under gunicorn."""

    name: str
    label: str
    target: str
    """The application as a gunicorn target, such as `app.main:app`."""
    colour: str
    """The program's colour in the plots, from the palette of `drawing`."""
    workloads: frozenset[str]
    arguments: tuple[str, ...] = BASELINE
    environment: Mapping[str, str] = field(default_factory=dict)


ITEMS = frozenset({"read", "list", "create"})
ORDERS = frozenset({"order read", "order create"})
PLAIN = frozenset({"no database"})

BARE, RAW, TEXTBOOK, SERVICE = "bare", "raw", "textbook", "service"

VARIANTS = (
    Variant(BARE, "bare FastAPI, one route, no middleware", "baselines.bare_fastapi:app", "silver", PLAIN),
    Variant(RAW, "raw ASGI and asyncpg, one query", "baselines.raw_asgi:app", "grey", ITEMS),
    Variant(TEXTBOOK, "the textbook service", "baselines.textbook:app", "orange", ITEMS | ORDERS),
    Variant(
        SERVICE,
        "the generated service as it is, access log on",
        "app.main:app",
        "blue",
        PLAIN | ITEMS | ORDERS,
        arguments=("--config=gunicorn.conf.py",),
        environment={"ENVIRONMENT": "production", "LOG_LEVEL": "info"},
    ),
)
