"""Counts the SQL statements of a request, from PostgreSQL's own log.

BEGIN and COMMIT count. A statement with many sets of values (asyncpg's executemany) counts once: the log repeats it for
each set, but all sets travel in one round trip.
"""

import itertools
import re
import time
from pathlib import Path

from benchmarks.equal_answers import ask
from benchmarks.servers import Server
from benchmarks.workloads import Workload

STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*): (.*)")
WARM_UP_REQUESTS = 5
SETTLE_SECONDS = 0.3
"""The wait after a response, in seconds: statements that a session sends afterwards, such as a ROLLBACK, belong to the
request."""


def count(server: Server, workload: Workload, log: Path) -> list[str]:
    """Return the SQL statements of one request, after requests that fill caches and are not counted."""
    for _ in range(WARM_UP_REQUESTS):
        ask(server, workload)
    time.sleep(SETTLE_SECONDS)
    start = log.stat().st_size
    ask(server, workload)
    time.sleep(SETTLE_SECONDS)
    with log.open("rb") as lines:
        lines.seek(start)
        return [text for text, _ in itertools.groupby(STATEMENT.findall(lines.read().decode()))]
