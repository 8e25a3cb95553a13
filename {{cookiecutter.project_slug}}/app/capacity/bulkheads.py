"""Builds the bulkheads of route groups, probes and request bodies, with the bounds of the capacity plan."""

from collections.abc import Mapping

from app.capacity.plan import Plan
from app.limits.bulkhead import Bulkhead
from app.settings.route_groups import PROBE, PROBES

BODIES = "requests.bodies"
"""The name of the bulkhead for requests whose body is being received. No route group has a name with a dot."""

AFTER_RESPONSE = "requests.after_response"
"""The name of the bulkhead of requests whose response is complete, and whose `BackgroundTasks` still run."""


def build_bulkheads(plan: Plan) -> Mapping[str, Bulkhead]:
    """Return the bulkheads by name: one per route group, one per health probe, BODIES and AFTER_RESPONSE."""
    probes = dict.fromkeys(PROBES, PROBE.max_concurrent or 1)
    others = {BODIES: plan.max_bodies, AFTER_RESPONSE: plan.background_tasks}
    return {
        name: Bulkhead(
            max_concurrent=max_concurrent,
            max_queue=plan.max_queue,
            queue_timeout_seconds=plan.queue_timeout_seconds,
            refusal="The service is too busy.",
        )
        for name, max_concurrent in {**plan.route_groups, **probes, **others}.items()
    }
