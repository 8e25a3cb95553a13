"""The table of jobs: each row has all that clients and workers know about one job."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Index, SmallInteger, String, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.database.base import Base


class JobState(StrEnum):
    """The states of a job. The last three are final; a job in state `failed` waits for its next attempt."""

    QUEUED = "queued"
    RUNNING = "running"
    FAILED = "failed"
    SUCCEEDED = "succeeded"
    DEAD = "dead"
    CANCELLED = "cancelled"


FINAL = frozenset({JobState.SUCCEEDED, JobState.DEAD, JobState.CANCELLED})
"""The final states of a job. Only a dead job can leave its state, when a client asks for a retry."""

IS_LIVE = "state IN ('queued', 'running', 'failed')"
"""The SQL condition of a job that is not finished: the job waits, runs, or is to be retried."""

HOLDS_KEY = f"unique_key IS NOT NULL AND {IS_LIVE}"
"""The SQL condition of a job that occupies its unique key: until the job is finished, the owner can have no second job
with this key."""


class Job(Base):
    """A job with input, progress and result.

    A trigger sets `sequence` and `updated_at` when the state, the progress or a request to cancel changes.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(
            "state IN ('queued', 'running', 'failed', 'succeeded', 'dead', 'cancelled')", name="state_known"
        ),
        Index("ix_jobs_owner_sequence", "owner", "sequence"),
        Index(None, "finished_at"),
        Index("ix_jobs_waiting", "run_at", postgresql_where=text("state IN ('queued', 'failed')")),
        Index(
            "uq_jobs_key",
            *("owner", "unique_key"),
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text(HOLDS_KEY),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(100))
    version: Mapped[int] = mapped_column(SmallInteger)
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    state: Mapped[str] = mapped_column(String(20))
    priority: Mapped[int]
    unique_key: Mapped[str | None] = mapped_column(String(200))
    owner: Mapped[str | None] = mapped_column(String(255))
    request_id: Mapped[str | None] = mapped_column(String(64))
    trace: Mapped[str | None] = mapped_column(String(600))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    max_attempts: Mapped[int]
    # `claim` grows with each start of the job and never shrinks, unlike `attempts`. A run with an older claim has lost
    # the job to a different worker, and stores nothing.
    claim: Mapped[int] = mapped_column(server_default=text("0"))
    progress: Mapped[int] = mapped_column(server_default=text("0"))
    total: Mapped[int | None]
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    error_code: Mapped[str | None] = mapped_column(String(100))
    error_detail: Mapped[str | None] = mapped_column(String(500))
    sequence: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    run_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    cancel_requested_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
