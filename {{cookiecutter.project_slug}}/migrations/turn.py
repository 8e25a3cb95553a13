"""The turn of a migration: one session at a time migrates a database, and the next waits without a snapshot."""

import time
from datetime import timedelta

from sqlalchemy import Connection, text

# A key that no other advisory lock of this database uses: without the lock, two migrations would create one table.
ADVISORY_LOCK = 7_203_115_001
POLL_SECONDS = 0.2


def wait_for_turn(connection: Connection, patience: timedelta) -> None:
    """Lock this database for the migrations of this session, until the connection ends.

    A waiting migration asks again and again, and not inside of one statement: a statement has a snapshot, and
    CREATE INDEX CONCURRENTLY of the running migration would wait for that snapshot, which is a deadlock.

    Raises:
        SystemExit: a different migration took longer than `patience`.
    """
    ends = time.monotonic() + patience.total_seconds()
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVISORY_LOCK}):
        connection.rollback()
        if time.monotonic() > ends:
            raise SystemExit(f"A different migration of this database has been running for {patience}.")
        time.sleep(POLL_SECONDS)
