"""How gunicorn runs the service. Every number comes from `app.capacity` or `app.settings`."""

from gunicorn.arbiter import Arbiter

from app.capacity.plan import CapacityError, plan_for
from app.observability.logs import library_logging
from app.settings import load_settings

settings = load_settings()
try:
    plan = plan_for(settings)
except CapacityError as error:
    raise SystemExit(f"The service cannot start: {error}") from None

wsgi_app = "app.main:app"
bind = f"{settings.host}:{settings.port}"

# One process per CPU, each with one event loop; the pools are sized for exactly this many.
workers = plan.workers
worker_class = "app.server.worker.ServiceWorker"

# Each worker opens its own engine and clients: a loop or a socket shared across a fork is broken.
preload_app = False

# gunicorn's heartbeat, not a request timeout: a worker whose loop is blocked this long is killed and replaced.
timeout = 30

# Drain and requests in flight get this long after SIGTERM; the worker keeps the last seconds for the lifespan's exit.
graceful_timeout = settings.graceful_stop_seconds

# Above the balancer's idle timeout, else the balancer sends a request on a connection that was just closed.
keepalive = settings.keep_alive_seconds

# Recycling restarts all workers at about the same time and stalls for seconds; a leak is to be found, not hidden.
max_requests = 0

# X-Forwarded-* is believed only from these.
forwarded_allow_ips = settings.forwarded_allow_ips

# It listens on a path that all services of a user share.
control_socket_disable = True

# The service writes its own line a request, with the request id.
accesslog = None
logconfig_dict = library_logging(level=settings.log_level, log_format=settings.log_format)


def nworkers_changed(server: Arbiter, new_value: int, old_value: int | None) -> None:
    """Keep gunicorn's own ways to more workers, `--workers` and SIGTTIN, from breaking the plan."""
    if new_value <= plan.workers:
        return
    advice = f"the plan has connections for {plan.workers} workers, not {new_value}. Set WEB_CONCURRENCY"
    if old_value is None:
        raise SystemExit(f"The service cannot start: {advice} instead of --workers.")
    server.log.warning("No worker was added: %s and restart.", advice)
    server.num_workers = plan.workers
