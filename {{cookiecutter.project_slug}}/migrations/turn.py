"""Lets one session at a time migrate a database, by an advisory lock; the next session polls, without a snapshot."""

import time
from datetime import timedelta

from sqlalchemy import Connection, text

# The key of an advisory lock; no other lock of this database uses the key. Without the lock, two concurrent migrations
# would create the same table.
ADVISORY_LOCK = 7_203_115_001
POLL_SECONDS = 0.2


def wait_for_turn(connection: Connection, patience: timedelta) -> None:
    """Lock this database for this session's migrations, until the connection ends.

    A waiting migration polls for the lock. If it waited in one statement, the statement would hold a snapshot, and
    CREATE INDEX CONCURRENTLY in the running migration would wait for the end of that snapshot: a deadlock.

    Raises:
        SystemExit: the other migration took longer than `patience`.
    """
    ends = time.monotonic() + patience.total_seconds()
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVISORY_LOCK}):
        connection.rollback()
        if time.monotonic() > ends:
            raise SystemExit(f"A different migration of this database has been running for {patience}.")
        time.sleep(POLL_SECONDS)
