"""The configuration of gunicorn; the numbers come from the capacity plan and the settings."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

# The kernel drops a signal to process 1 of a container that has no handler, and gunicorn sets its handlers after this
# file: without these lines a service that is stopped while it imports would start and run on until SIGKILL.
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: sys.exit(0))

from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

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

# The workers write their metrics into files of this folder, in memory where that is possible.
memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - all files in it are private
shared = Path(memory or tempfile.gettempdir(), f"metrics-{os.getuid()}-{settings.management_port}")
if settings.management_port and metrics_folder() != str(shared):  # after a reload the metrics go on
    shutil.rmtree(shared, ignore_errors=True)
    shared.mkdir(mode=0o700)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(shared)

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
worker_tmp_dir = memory

# Off: gunicorn's control socket listens on a path that all services of a user share.
control_socket_disable = True

# Off: the service itself writes an access line for each request, with the request id.
accesslog = None
logconfig_dict = library_logging(level=settings.log_level, log_format=settings.log_format, fields=log_fields(settings))


def on_starting(server: Arbiter) -> None:
    """Log the whole capacity plan once per start: the image has no command that prints the plan."""
    server.log.info("capacity plan", extra=plan.model_dump())


def when_ready(server: Arbiter) -> None:
    """Start the process that serves metrics on MANAGEMENT_PORT, and ends by itself when this process has ended."""
    if settings.management_port:
        logged = {"level": settings.log_level, "log_format": settings.log_format, "fields": log_fields(settings)}
        address = {"host": settings.management_host, "port": settings.management_port}
        arguments = json.dumps({"folder": str(shared), **address, "log_settings": logged})
        command = [sys.executable, "-m", "app.observability.exporter", arguments]
        subprocess.Popen(command, cwd=server.cfg.chdir, stdin=subprocess.DEVNULL)  # noqa: S603 - this service


def pre_fork(_server: Arbiter, worker: Worker) -> None:
    """Let a new worker count its connections beside the other workers."""
    worker.balance = connection_counts.slot_for(worker.age)


def child_exit(_server: Arbiter, worker: Worker) -> None:
    """Free the slot of a worker, however the worker has ended."""
    connection_counts.release(worker.age)


def nworkers_changed(server: Arbiter, new_value: int, old_value: int | None) -> None:
    """Refuse more workers than the capacity plan has connections for: `--workers` and SIGTTIN bypass the plan."""
    if new_value <= plan.workers:
        return
    advice = f"the plan has connections for {plan.workers} workers, not {new_value}. Set WEB_CONCURRENCY"
    if old_value is None:
        raise SystemExit(f"The service cannot start: {advice} instead of --workers.")
    server.log.warning("No worker was added: %s and restart.", advice)
    server.num_workers = plan.workers
