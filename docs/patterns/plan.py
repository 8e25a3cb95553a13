"""A capacity plan: the connection pools of all workers of all replicas fit into the connection limit of PostgreSQL."""

from app.capacity.plan import CapacityError, make_plan
from app.settings.capacity import CapacitySettings

settings = CapacitySettings(replicas=3, replicas_surge="1", database_max_connections=100)
plan = make_plan(settings, cpus=2, open_files=4096, route_groups={"orders": None}, downstreams={"rates": 4})

assert plan.workers == 2
assert plan.peak_connections <= plan.connection_limit < 100

try:
    make_plan(settings, cpus=12, open_files=4096, route_groups={}, downstreams={})
    raise AssertionError("48 processes have no connection each")
except CapacityError as error:
    assert "WEB_CONCURRENCY" in str(error)
