"""The capacity plan of a worker process that runs jobs: the plan of a web process, with a different database pool."""

from app.capacity.from_settings import plan_for
from app.capacity.plan import CapacityError, Plan
from app.settings.service import Settings

NOT_PLANNED = (
    "the capacity plan keeps no database connections for workers of jobs. Set JOBS__WORKERS to the number of workers "
    "of all replicas together, for the web processes too."
)


def plan_for_worker(settings: Settings) -> Plan:
    """Return the capacity plan for a process that runs jobs: the pool has JOBS__POOL_LIMIT connections.

    Raises:
        CapacityError: JOBS__WORKERS is 0 in production, or the plan needs more database connections than the server
            has.
    """
    jobs, plan = settings.jobs, plan_for(settings)
    if not jobs.workers and not settings.development:
        raise CapacityError(NOT_PLANNED)
    quota = {"connection_quota": jobs.pool_limit, "reserved_for_quotas": 0}  # only jobs use the pool of a job worker
    return plan.model_copy(update={"pool_size": jobs.pool_limit, **quota})
