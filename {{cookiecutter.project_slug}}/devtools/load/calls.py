"""The requests that a load test sends. Add those of your features below `# yours below`."""

import json
import random
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

KEPT_IDS = 1000
"""The newest of each kind; a long test would otherwise collect all of them."""


@dataclass(frozen=True, slots=True)
class Call:
    """One kind of request: a row of the report.

    `{id}` in a path stands for an `id` that a POST to the path in front of it answered, in this same test.
    """

    method: str
    path: str
    weight: int = 1
    """How often it is sent, compared with the others."""

    body: Mapping[str, object] | None = None

    @property
    def route(self) -> str:
        """Its name in the report."""
        return f"{self.method} {self.path}"


CALLS: tuple[Call, ...] = (
    Call("GET", "/health/live"),
    Call("GET", "/health/ready"),
    # {% if cookiecutter.example == "yes" %}
    Call("POST", "/api/v1/orders", 4, {"customer": "Ada", "lines": [{"sku": "T-1", "quantity": 2, "unit_price": "4"}]}),
    Call("GET", "/api/v1/orders?limit=20", 6),
    Call("GET", "/api/v1/orders/{id}", 6),
    Call("GET", "/api/v1/orders/{id}/total?currency=EUR", 2),
    Call("GET", "/api/v1/dashboard"),
    # {% endif %}
    # yours below
)
"""Reads outnumber writes, as in most services; change the weights to what your access log says."""


class Mix:
    """Picks calls at random by their weights, and remembers the ids that the service gave."""

    def __init__(self) -> None:
        self._ids: dict[str, deque[object]] = {}

    def pick(self) -> tuple[Call, str]:
        """Return a call and its path; while no id is known, the POST that tells one."""
        (call,) = random.choices(CALLS, [call.weight for call in CALLS])
        collection, needed, _ = call.path.partition("/{id}")
        if not needed:
            return call, call.path
        if ids := self._ids.get(collection):
            return call, call.path.replace("{id}", str(random.choice(ids)))
        return next(one for one in CALLS if one.route == f"POST {collection}"), collection

    def learn(self, call: Call, answer: bytes) -> None:
        """Remember the id in the answer to a POST."""
        if call.method == "POST":
            with suppress(ValueError, TypeError, KeyError):  # not every answer tells one
                self._ids.setdefault(call.path, deque(maxlen=KEPT_IDS)).append(json.loads(answer)["id"])
