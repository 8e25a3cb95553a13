"""The configuration of gunicorn; the numbers come from the capacity plan and the settings."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from itertools import count

# The kernel drops a signal to process 1 of a container that has no handler, and gunicorn sets its handlers after this
# file: without these lines a service that is stopped while it imports would start and run on until SIGKILL.
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: sys.exit(0))

from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker
from prometheus_client import values
from prometheus_client.multiprocess import mark_process_dead

from app.capacity.from_settings import plan_for
from app.capacity.plan import CapacityError
from app.observability.logs import library_logging
from app.server.balance import ConnectionCounts
from app.settings.environment import metrics_folder
from app.settings.listening import bind_address, trusted_networks
from app.settings.load import load_settings, log_fields

settings = load_settings(serving=True)
try:
    plan = plan_for(settings)
except CapacityError as error:
    raise SystemExit(f"The service cannot start: {error}") from None

connection_counts = ConnectionCounts(plan.workers)

wsgi_app = "app.main:app"
bind = bind_address(settings.host, settings.port)

# Worker processes, by default one per CPU, with one event loop each; the pools are sized for exactly this number.
workers = plan.workers
worker_class = "app.server.worker.ServiceWorker"

# Off: each worker opens its own engine and clients after the fork, as a forked event loop or socket is broken.
preload_app = False

# Not a request timeout: gunicorn kills and replaces a worker whose event loop is blocked for this many seconds.
timeout = 30

# Seconds after SIGTERM for the drain and the requests in flight; the last seconds are for the exit of the lifespan.
graceful_timeout = settings.graceful_shutdown_seconds

# Longer than the load balancer's idle timeout, else a request is sent on a connection that was just closed.
keepalive = settings.keep_alive_seconds

# Client connections of a worker; for one more, the longest idle connection is closed.
worker_connections = plan.client_connections

# Off: recycling would restart all workers at about the same time and stall the service; find the leak instead.
max_requests = 0

# The addresses of the proxies whose X-Forwarded-* headers are trusted.
forwarded_allow_ips = trusted_networks(settings.forwarded_allow_ips)

# In memory: the heartbeats of the workers are files, and a container's root file system may be read-only.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - gunicorn makes a private file

# Off: gunicorn's control socket listens on a path that all services of a user share.
control_socket_disable = True

# Off: the service itself writes an access line for each request, with the request id.
accesslog = None
logconfig_dict = library_logging(level=settings.log_level, log_format=settings.log_format, fields=log_fields(settings))


def on_starting(server: Arbiter) -> None:
    """Log the whole capacity plan once per start: the image has no command that prints the plan."""
    server.log.info("capacity plan", extra=plan.model_dump())


def when_ready(server: Arbiter) -> None:
    """Start the exporter, a process that serves MANAGEMENT_PORT until this process and all workers have ended.

    The exporter reads from a pipe whose other end all of them hold, and removes the folder of the metrics at the end.
    Each start has a folder of its own, in memory where that is possible.
    """
    if not settings.management_port:
        return
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder = tempfile.mkdtemp(prefix="metrics-", dir=worker_tmp_dir)
    logged = {"level": settings.log_level, "log_format": settings.log_format, "fields": log_fields(settings)}
    address = {"host": settings.management_host, "port": settings.management_port}
    code = "import json, sys; from app.observability.exporter import main; main(**json.loads(sys.argv[1]))"
    command = [sys.executable, "-c", code, json.dumps({"folder": folder, **address, "log_settings": logged})]
    # A session of its own: Ctrl-C goes to all processes of the terminal, and the workers still drain then.
    server.exporter = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603 - this service


def pre_fork(server: Arbiter, worker: Worker) -> None:
    """Let a new worker count its connections beside the other workers, and give it the least free number for metrics.

    The worker goes on with the files of the earlier worker of that number: counters never fall, and the number of files
    is bounded.
    """
    worker.balance = connection_counts.slot_for(worker.age)
    taken = {other.number for other in server.WORKERS.values()}
    worker.number = next(number for number in count() if number not in taken)


def post_fork(_server: Arbiter, worker: Worker) -> None:
    """Name the files of the worker's metrics by its number instead of its process id."""
    if metrics_folder():
        values.ValueClass = values.MultiProcessValue(lambda: worker.number)


def child_exit(_server: Arbiter, worker: Worker) -> None:
    """Free the slot of a worker and remove its gauges, however the worker has ended."""
    connection_counts.release(worker.age)
    if metrics_folder():
        mark_process_dead(worker.number)


def on_exit(server: Arbiter) -> None:
    """Wait until the exporter has removed the folder of the metrics; a worker that hangs may hold it up."""
    if exporter := getattr(server, "exporter", None):
        exporter.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            exporter.wait(timeout=2)


def nworkers_changed(server: Arbiter, new_value: int, old_value: int | None) -> None:
    """Refuse more workers than the capacity plan has connections for: `--workers` and SIGTTIN bypass the plan."""
    if new_value <= plan.workers:
        return
    advice = f"the plan has connections for {plan.workers} workers, not {new_value}. Set WEB_CONCURRENCY"
    if old_value is None:
        raise SystemExit(f"The service cannot start: {advice} instead of --workers.")
    server.log.warning("No worker was added: %s and restart.", advice)
    server.num_workers = plan.workers
