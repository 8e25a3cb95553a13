"""Route groups: routes that share a deadline and a bulkhead, so that a slow group cannot use up all capacity.

Put a route that waits for a downstream, a thread or a worker process into a separate group: when the downstream is
slow, only the requests of this group wait.
"""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, Field
from starlette.types import Scope

PATHS: Mapping[str, tuple[str, ...]] = {
    # {% if cookiecutter.example != "no" %}
    "orders": ("/api/v1/orders", "/api/v1/orders/*"),
    "conversions": ("/api/v1/orders/*/total", "/api/v1/dashboard"),
    # {% endif %}
    # {% if cookiecutter.example == "showcases" %}
    "reports": ("/api/v1/products.jsonl.gz", "/api/v1/price-estimate"),
    "uploads": ("/api/v1/thumbnails",),
    # {% endif %}# {% if cookiecutter.jobs == "yes" %}
    "streams": ("/api/v1/events", "/api/v1/jobs/*/events"),
    # {% endif %}
    # yours below
}
"""The paths of each route group, by the group's name; `*` stands for one path segment. Every other path belongs to the
group `others`, except the health probes."""

ROUTE_GROUP = "route_group"
"""The key under which the ASGI scope of a request keeps the name of the route group."""

OTHERS = "others"
PROBES = ("/health/live", "/health/ready")
"""The paths of the health probes. Each probe is a route group by itself, named like its path, so that neither a full
bulkhead nor a slow readiness probe can block a liveness probe."""


class RouteGroup(BaseModel, frozen=True, use_attribute_docstrings=True, extra="forbid"):
    """The deadline and the bounds of one route group."""

    deadline_seconds: Annotated[float, Field(ge=0, le=3600)] = 4.0
    """Seconds from the arrival of a request to the end of the response; 0 means no deadline, such as for streams."""

    max_concurrent: Annotated[int, Field(ge=1)] | None = None
    """Concurrent requests of the group in one worker; unset, the capacity plan computes the number."""

    max_body_bytes: Annotated[int, Field(ge=0)] | None = None
    """The largest request body of the group in bytes; unset, MAX_BODY_BYTES and MAX_JSON_BYTES apply."""


class RouteGroupsSettings(BaseModel, extra="forbid"):
    """The deadline and the bounds of each route group: one field per group, named as in `PATHS`."""

    # {% if cookiecutter.example != "no" %}
    orders: RouteGroup = RouteGroup()
    conversions: RouteGroup = RouteGroup()
    # {% endif %}
    # {% if cookiecutter.example == "showcases" %}
    reports: RouteGroup = RouteGroup()

    uploads: RouteGroup = RouteGroup(deadline_seconds=15.0, max_concurrent=4, max_body_bytes=5_242_880)
    """Uploads of pictures: 5 MiB in 15 s need 3 Mbit/s. Each of 4 concurrent requests may hold the body and, for a
    moment, 260 MB of decoded pixels: up to 1.1 GB per worker."""
    # {% endif %}# {% if cookiecutter.jobs == "yes" %}
    streams: RouteGroup = RouteGroup(deadline_seconds=0, max_concurrent=1000)
    """Server-sent events: a stream has no deadline, but ends after an hour, and each send to the client has a
    timeout."""
    # {% endif %}
    # yours below

    others: RouteGroup = RouteGroup()
    """The route group of every path that `PATHS` does not name."""


PROBE = RouteGroup(max_concurrent=10)
"""The bounds of each health probe: at most 10 at the same time, as an orchestrator and several load balancers may probe
at once."""


class RouteGroups:
    """Finds the route group of a request by the path of the request."""

    def __init__(self, settings: RouteGroupsSettings, paths: Mapping[str, tuple[str, ...]] = PATHS) -> None:
        self.by_name: dict[str, RouteGroup] = dict(settings) | dict.fromkeys(PROBES, PROBE)
        if unknown := paths.keys() - self.by_name.keys():
            raise ValueError(f"PATHS names {', '.join(sorted(unknown))}, and RouteGroupsSettings has no such field.")
        patterns = {name: "|".join(map(re.escape, claimed)).replace(r"\*", "[^/]+") for name, claimed in paths.items()}
        self._claims = re.compile("|".join(f"(?P<{name}>{one})" for name, one in patterns.items()) or "(?!)")

    def of(self, scope: Scope) -> str:
        """Return the name of a request's route group; the scope caches the name.

        A proxy may serve the service below a path prefix, in ASGI `root_path`. The paths of `PATHS` have no prefix, so
        the prefix is removed before they are compared.
        """
        if ROUTE_GROUP not in scope:
            scope[ROUTE_GROUP] = self.name_of(scope["path"].removeprefix(scope.get("root_path", "")))
        name: str = scope[ROUTE_GROUP]
        return name

    def group_of(self, scope: Scope) -> RouteGroup:
        """Return the settings of the route group of a request: deadline, concurrency and size of bodies."""
        return self.by_name[self.of(scope)]

    def name_of(self, path: str) -> str:
        """Return the name of the route group that a path belongs to; for a health probe the name is the path."""
        found = self._claims.fullmatch(path)
        if found is not None and found.lastgroup is not None:
            return found.lastgroup
        return path if path in PROBES else OTHERS
