"""Families of routes: what shares a deadline and a number of places, so that one that is stuck leaves the others alone.

A route that waits for another service, a thread or a process belongs into a family of its own: its slowness is not
that of its neighbours.
"""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, Field
from starlette.types import Scope

PATHS: Mapping[str, tuple[str, ...]] = {
    # {% if cookiecutter.example == "yes" %}
    "orders": ("/api/v1/orders", "/api/v1/orders/*"),
    "conversions": ("/api/v1/orders/*/total", "/api/v1/dashboard"),
    "reports": ("/api/v1/orders.jsonl.gz", "/api/v1/order-value"),
    "uploads": ("/api/v1/thumbnails",),
    # {% endif %}
    # yours below
}
"""Whole paths by the name of their family; `*` stands for one part. What nobody claims is in `others`."""

FAMILY = "family"
"""Where the scope of a request keeps its family's name."""

OTHERS = "others"
PROBES = re.compile(r"/health(/.*)?")
"""They are in no family: they are asked when everything else is stuck."""


class Family(BaseModel, frozen=True, use_attribute_docstrings=True):
    """The bounds of one family."""

    deadline_seconds: Annotated[float, Field(ge=0, le=3600)] = 4.0
    """From the arrival of a request to the end of its answer; 0, for streams and uploads, is no deadline."""

    running: Annotated[int, Field(ge=1)] | None = None
    """Requests at once in one worker; unset, what the capacity plan grants."""

    max_body_bytes: Annotated[int, Field(ge=0)] | None = None
    """The largest request body; unset, MAX_BODY_BYTES."""


class FamiliesSettings(BaseModel):
    """One field per family, named as in `PATHS`."""

    # {% if cookiecutter.example == "yes" %}
    orders: Family = Family()
    conversions: Family = Family()
    reports: Family = Family()

    uploads: Family = Family(deadline_seconds=15.0, running=4, max_body_bytes=5_242_880)
    """5 MiB in 15 s are 3 Mbit/s. Each of the 4 may hold that and, for a moment, 260 MB of pixels: 1.1 GB a worker."""
    # {% endif %}
    # yours below

    others: Family = Family()
    """Every path that no other family claims."""


class Families:
    """Finds the family of a path."""

    def __init__(self, settings: FamiliesSettings, paths: Mapping[str, tuple[str, ...]] = PATHS) -> None:
        self.by_name: dict[str, Family] = dict(settings)
        if unknown := paths.keys() - self.by_name.keys():
            raise ValueError(f"PATHS names {', '.join(sorted(unknown))}, and FamiliesSettings has no such field.")
        patterns = {name: "|".join(map(re.escape, claimed)).replace(r"\*", "[^/]+") for name, claimed in paths.items()}
        self._claims = re.compile("|".join(f"(?P<{name}>{one})" for name, one in patterns.items()) or "(?!)")

    def of(self, scope: Scope) -> str | None:
        """Return the name of a request's family, None for the probes; looked up once for all that ask."""
        if FAMILY not in scope:
            scope[FAMILY] = self.name_of(scope["path"])
        name: str | None = scope[FAMILY]
        return name

    def name_of(self, path: str) -> str | None:
        """Return the name of the family, None for the probes."""
        found = self._claims.fullmatch(path)
        if found is not None:
            return found.lastgroup
        return None if PROBES.fullmatch(path) else OTHERS
