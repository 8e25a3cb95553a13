"""The connections of the workers of jobs, in the capacity plan of the service and in the plan of a worker itself."""

from app.capacity.from_settings import plan_for
from app.capacity.plan import CapacityError, Plan
from app.settings.service import Settings

NOT_PLANNED = (
    "the capacity plan keeps no database connections for workers of jobs. Set JOBS__WORKERS to the number of workers "
    "of all replicas together, for the web processes too."
)


def plan_for_worker(settings: Settings) -> Plan:
    """Return the plan of this service for a process that runs jobs: its pool is as large as the jobs need.

    Raises:
        CapacityError: the service is in production, and its plan knows of no worker; or the plan does not fit.
    """
    jobs, plan = settings.jobs, plan_for(settings)
    if not jobs.workers and not settings.development:
        raise CapacityError(NOT_PLANNED)
    quota = {"connection_quota": jobs.pool_limit, "reserved_for_quotas": 0}  # jobs are the only users of the pool
    return plan.model_copy(update={"pool_size": jobs.pool_limit, **quota})
