"""The turn of a migration: one session at a time migrates a database; the next one waits, without a snapshot."""

import time
from datetime import timedelta

from sqlalchemy import Connection, text

# A key that no other advisory lock in this database uses: without the lock, two migrations would create one table.
ADVISORY_LOCK = 7_203_115_001
POLL_SECONDS = 0.2


def wait_for_turn(connection: Connection, patience: timedelta) -> None:
    """Lock this database for this session's migrations, until the connection ends.

    A waiting migration polls for the lock instead of waiting in one statement: a statement has a snapshot, for whose
    end CREATE INDEX CONCURRENTLY of the running migration would wait, which is a deadlock.

    Raises:
        SystemExit: the other migration took longer than `patience`.
    """
    ends = time.monotonic() + patience.total_seconds()
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVISORY_LOCK}):
        connection.rollback()
        if time.monotonic() > ends:
            raise SystemExit(f"A different migration of this database has been running for {patience}.")
        time.sleep(POLL_SECONDS)
