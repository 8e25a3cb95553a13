"""Resources: the objects that the lifespan opens and requests use. One instance per process, on `app.state`.

This file imports only the standard library at run time, so a module may name the type without loading SQLAlchemy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker

    from app.capacity.plan import Plan
    from app.database.engine import ReadOnlySession, ReadWriteSession
    from app.database.reader import Reader  # {%- if cookiecutter.http_client != "none" +%}
    from app.downstreams.registry import Downstreams  # {%- endif +%}
    from app.limits.bulkhead import Bulkhead
    from app.observability.loop_monitor import LoopMonitor
    from app.readiness.readiness import Readiness  # {%- if cookiecutter.auth == "jwt" +%}
    from app.valkey.client import Redis  # {%- endif +%}
    from app.work.background import Supervisor
    from app.work.offload import Offload  # {%- if cookiecutter.example == "showcases" +%}
    from app.work.processes import Processes  # {%- endif +%}


@dataclass(frozen=True, slots=True)
class Resources:
    """The shared objects of one process, complete once the lifespan has started; no field is made per request."""

    plan: Plan
    """The capacity plan, which has every limit of this worker, such as the size of the connection pool."""
    engine: AsyncEngine
    """The database engine with the connection pool; the connections are in AUTOCOMMIT and read-only, unless a session
    changes that."""
    reader: Reader
    """The `Reader`, which the dependency `ReadSession` returns: runs each read-only statement in one round trip."""
    snapshot_sessions: async_sessionmaker[ReadOnlySession]
    """The session factory of the dependency `SnapshotSession`: each session has a read-only, repeatable-read
    transaction."""
    write_sessions: async_sessionmaker[ReadWriteSession]
    """The session factory of the dependency `WriteSession`: each session has a transaction that may write."""
    # {% if cookiecutter.http_client != "none" %}
    downstreams: Downstreams
    """The clients for other services, by the name of the downstream in the settings."""

    @property
    def semaphores(self) -> Mapping[str, Bulkhead]:
        """The bulkhead of each downstream, by name, which bounds the calls in flight from this worker."""
        return {name: downstream.bulkhead for name, downstream in self.downstreams.items()}

    # {% endif %}# {% if cookiecutter.auth == "jwt" %}
    valkey: Redis | None
    """The client of the Valkey or Redis at REDIS_URL; None when REDIS_URL is unset."""
    # {% endif %}
    bulkheads: Mapping[str, Bulkhead]
    """The bulkheads of this worker's requests, by name: of each route group, of each probe, of bodies that are being
    received, and of `BackgroundTasks` that run after a response."""
    offload: Offload
    """The threads for calls that would block the event loop."""
    # {% if cookiecutter.example == "showcases" %}
    processes: Processes
    """The worker processes for long computations in Python, which in a thread would hold the GIL."""
    # {% endif %}
    supervisor: Supervisor
    """The supervisor, which starts background tasks and waits for running tasks at the shutdown."""
    loop_monitor: LoopMonitor
    """The loop monitor, which measures the lag of the event loop and logs each stall with the stack."""
    readiness: Readiness
    """The readiness, which decides whether this process may receive traffic."""
    idempotency_seconds: float
    """How long the response to a request with an Idempotency-Key is stored, in seconds."""
