"""The programs that are compared, as a table. A row more is a variant more."""

from collections.abc import Mapping
from dataclasses import dataclass, field

RIVAL = ("--worker-class=uvicorn_worker.UvicornWorker", "--keep-alive=75", "--no-control-socket", "--config=/dev/null")
"""gunicorn's arguments for a program without a configuration of its own: the same worker, loop and parser as ours."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One program under gunicorn."""

    name: str
    label: str
    target: str
    """What gunicorn loads."""
    workloads: frozenset[str]
    arguments: tuple[str, ...] = RIVAL
    environment: Mapping[str, str] = field(default_factory=dict)


ITEMS = frozenset({"read", "list", "create"})
ORDERS = frozenset({"order read", "order create"})
PLAIN = frozenset({"no database"})

BARE, RAW, TEXTBOOK, OURS = "L0", "L1", "L5", "ours"

VARIANTS = (
    Variant(BARE, "bare FastAPI, one route, no middleware", "rivals.bare:app", PLAIN),
    Variant(RAW, "bare ASGI and asyncpg, one query", "rivals.raw:app", ITEMS),
    Variant(TEXTBOOK, "the textbook service", "rivals.textbook:app", ITEMS | ORDERS),
    Variant(
        OURS,
        "the generated service as it is, access log on",
        "app.main:app",
        PLAIN | ITEMS | ORDERS,
        arguments=("--config=gunicorn.conf.py",),
        environment={"ENVIRONMENT": "production", "LOG_LEVEL": "info"},
    ),
)
