"""A PostgreSQL server that a test may stop and start, with the service connected to one of its databases."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from devtools.binaries import settle
from devtools.cluster import Cluster
from tests.databases import cloned, ensure_template
from tests.server.processes import Service, gunicorn


@contextmanager
def restartable() -> Iterator[tuple[Cluster, Service]]:
    """Start a PostgreSQL server that no other test uses, and the service with one worker and slow test routes."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "postgres"
        cluster = Cluster(*settle(folder), durable=True)  # a throwaway server would delete its data at the stop
        cluster.start()
        stack.callback(cluster.stop)
        database = stack.enter_context(cloned(cluster.url(), ensure_template(cluster.url())))
        arguments = ("--pythonpath=tests/smoke", "slow_app:app")
        service = stack.enter_context(gunicorn(database, *arguments, WEB_CONCURRENCY="1", LOG_LEVEL="error"))
        service.wait_until_serving()
        yield cluster, service
