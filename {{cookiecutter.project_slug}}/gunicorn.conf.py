"""The configuration of gunicorn; its numbers come from the capacity plan and the settings."""

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from itertools import count

# The kernel drops a signal for which process 1 of a container has no handler, and gunicorn sets its handlers after this
# file. Without these lines, a service that is stopped during its imports would start and run on until SIGKILL. When
# SIGHUP loads this file again, gunicorn's own handlers stay: they let the workers drain. `os._exit`, as the exception
# of `sys.exit` may be lost in a finalizer, or in an import that tolerates errors.
for number in (signal.SIGTERM, signal.SIGINT):
    if signal.getsignal(number) in {signal.SIG_DFL, signal.default_int_handler}:
        signal.signal(number, lambda *_: os._exit(0))

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

wsgi_app = "app.main:app"
bind = bind_address(settings.host, settings.port)

# Worker processes, by default one per CPU, with one event loop each; the pools are sized for exactly this number.
workers = plan.workers
worker_class = "app.server.worker.ServiceWorker"

# No preloading: each worker opens its own engine and clients after the fork, as forked event loops and sockets fail.
preload_app = False

# gunicorn kills and replaces a worker whose event loop is blocked for this many seconds. It does not limit requests.
timeout = 30

# Seconds after SIGTERM for the drain and the requests in flight; the last seconds are for closing the lifespan.
graceful_timeout = settings.graceful_shutdown_seconds

# Keep-alive lasts longer than the load balancer's idle timeout: otherwise the load balancer would send requests on
# connections that the worker has just closed.
keepalive = settings.keep_alive_seconds

# Client connections of a worker; beyond this number, the connection that was idle for longest is closed.
worker_connections = plan.client_connections

# Workers are not restarted after a number of requests: all would restart at about the same time and stall the service.
max_requests = 0

# The addresses of the proxies whose X-Forwarded-* headers are trusted.
forwarded_allow_ips = trusted_networks(settings.forwarded_allow_ips)

# The heartbeats of workers are files. They are in memory, as the root file system of a container may be read-only.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - gunicorn makes a private file in the folder

# gunicorn's control socket is off: its path would be the same for all services of a user.
control_socket_disable = True

# No access log of gunicorn: the service itself writes an access log line for each request, with the request id.
accesslog = None
logconfig_dict = library_logging(level=settings.log_level, log_format=settings.log_format, fields=log_fields(settings))


def on_starting(server: Arbiter) -> None:
    """Log the whole capacity plan once per start, as the container image has no command that prints the plan."""
    server.log.info("capacity plan", extra=plan.model_dump())
    server.connection_counts = ConnectionCounts(plan.workers)


def when_ready(server: Arbiter) -> None:
    """Start the metrics exporter, a process that serves MANAGEMENT_PORT until this process and all workers have ended.

    The exporter reads from a pipe whose write end this process and all workers hold. When the last of these processes
    has ended, the exporter deletes the metrics folder and ends. Each start has its own metrics folder, in memory if
    possible.
    """
    if not settings.management_port:
        return
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder = tempfile.mkdtemp(prefix="metrics-", dir=worker_tmp_dir)
    logged = {"level": settings.log_level, "log_format": settings.log_format, "fields": log_fields(settings)}
    address = {"host": settings.management_host, "port": settings.management_port}
    code = "import gc, json, sys, app.observability.exporter as it; it.main(**json.loads(sys.argv[1])); gc.freeze()"
    command = [sys.executable, "-c", code, json.dumps({"folder": folder, **address, "log_settings": logged})]
    # The exporter gets its own session: Ctrl-C goes to all processes of the terminal, and must not end the exporter
    # while the workers drain.
    server.exporter = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603 - the arguments are this service's own


def pre_fork(server: Arbiter, worker: Worker) -> None:
    """Give a new worker a slot in the shared connection counts, and the least free number for its metrics files.

    The new worker continues the metrics files of the ended worker with the same number: so counters never fall, and the
    number of files is bounded.
    """
    worker.balance = server.connection_counts.slot_for(worker.age)
    taken = {other.number for other in server.WORKERS.values()}
    worker.number = next(number for number in count() if number not in taken)


def post_fork(_server: Arbiter, worker: Worker) -> None:
    """Name the Prometheus files of a worker by a number that later workers reuse, instead of the process id."""
    if metrics_folder():
        values.ValueClass = values.MultiProcessValue(lambda: worker.number)


def on_reload(server: Arbiter) -> None:
    """Make new connection counts if SIGHUP has changed the number of workers: the old counts lack slots."""
    if plan.workers != server.connection_counts.workers:
        server.connection_counts = ConnectionCounts(plan.workers)


def worker_exit(_server: Arbiter, worker: Worker) -> None:
    """Free this worker's slot: after a refused start, the master ends without a call of `child_exit`."""
    worker.balance.leave()


def child_exit(server: Arbiter, worker: Worker) -> None:
    """Free an ended worker's slot in the shared connection counts, and remove the worker's gauges from the metrics."""
    server.connection_counts.release(worker.age)
    if metrics_folder():
        mark_process_dead(worker.number)


def on_exit(server: Arbiter) -> None:
    """Wait until the exporter has deleted the metrics folder; a hanging worker may delay this.

    Before it ends, the Python interpreter runs a garbage collection, which takes 0.3 s of CPU, or more than a second on
    a busy machine, for memory that the end of the process frees anyway. So `gc.freeze` exempts all objects, here and in
    the exporter.
    """
    gc.freeze()
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
