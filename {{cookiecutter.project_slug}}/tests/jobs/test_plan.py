"""The capacity plan of the service reserves connections for job workers, and a job worker has a separate plan."""

import pytest

from app.capacity.from_settings import plan_for
from app.capacity.job_worker import plan_for_worker
from app.capacity.plan import CapacityError
from tests.databases import make_settings

URL = "postgresql://app:secret@127.0.0.1:1/none"
PRODUCTION = {"environment": "production", "api_docs": False, "web_concurrency": 4}


def test_the_plan_keeps_the_connections_of_one_worker_unless_told_otherwise() -> None:
    plan = plan_for(make_settings(URL, **PRODUCTION), cpus=4)

    beside = 2 * (5 + 3 + 1) + 8  # two job workers during a rolling update, and a listener for each web process
    assert plan.pool_size == (100 - 10 - beside) // 8 - 1 == 7
    assert plan.server_connections == 8 * (7 + 1) + beside == 90


def test_a_worker_starts_in_production_by_default_with_the_pool_of_its_jobs() -> None:
    settings = make_settings(URL, **PRODUCTION)

    assert plan_for_worker(settings).pool_size == settings.jobs.pool_limit == 5


def test_a_worker_that_the_plan_does_not_know_is_refused_in_production_with_the_setting() -> None:
    with pytest.raises(CapacityError, match=r"Set JOBS__WORKERS to the number of workers of all replicas together"):
        plan_for_worker(make_settings(URL, jobs={"workers": 0}, **PRODUCTION))

    # in development, a job worker that the capacity plan does not count may start
    assert plan_for_worker(make_settings(URL, jobs={"workers": 0})).pool_size == 5


def test_a_plan_without_room_for_the_workers_names_their_setting() -> None:
    with pytest.raises(CapacityError, match=r"beside 188 of jobs and streams \(JOBS__WORKERS\), but 100 - 10 "):
        plan_for(make_settings(URL, jobs={"workers": 10}, **PRODUCTION), cpus=4)
