"""Computes the capacity plan from the settings, the CPUs and the open files of this container."""

from app.capacity.cpus import available_cpus
from app.capacity.open_files import available_files
from app.capacity.plan import Plan, make_plan
from app.settings.service import Settings


def plan_for(settings: Settings, *, cpus: int | None = None) -> Plan:
    """Return the capacity plan for these settings.

    Args:
        settings: the settings of the service.
        cpus: the number of CPUs to plan for; by default the CPUs of this container.

    Raises:
        CapacityError: there are too few database connections for one connection in the pool of each worker, or too few
            open files.
    """
    limit = available_files()
    return make_plan(
        settings,
        cpus=available_cpus() if cpus is None else cpus,
        open_files=settings.open_files or limit,
        route_groups={name: group.max_concurrent for name, group in settings.route_groups},
        # {% if cookiecutter.http_client == "none" %}        downstreams={},
        # {% else %}
        downstreams={name: downstream.max_concurrent for name, downstream in settings.downstreams},
        # {% endif %}
    )
