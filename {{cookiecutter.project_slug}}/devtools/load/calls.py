"""The requests that a load test sends. Add the requests of your features below `# yours below`."""

import json
import random
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

KEPT_IDS = 1000
"""How many of the newest ids of each collection a load test keeps, so that a long test does not fill the memory."""


@dataclass(frozen=True, slots=True)
class Call:
    """A kind of request that a load test sends, with a row in the report.

    In a path such as `/things/{id}`, `{id}` stands for an `id` that an earlier `POST /things` of the test returned.
    """

    method: str
    path: str
    weight: int = 1
    """The frequency of this kind of request, relative to the weights of the other kinds."""

    body: Mapping[str, object] | None = None

    is_stream: bool = False
    """Whether the response is an event stream, which the load test reads up to the first event and then closes; the
    latency is that of the first event."""

    @property
    def route(self) -> str:
        """The name of this kind of request in the report, such as `GET /health/live`."""
        return f"{self.method} {self.path}"


CALLS: tuple[Call, ...] = (
    Call("GET", "/health/live"),
    Call("GET", "/health/ready"),
    # {% if cookiecutter.example != "no" %}
    Call("POST", "/api/v1/orders", 4, {"customer": "Ada", "lines": [{"sku": "T-1", "quantity": 2, "unit_price": "4"}]}),
    Call("GET", "/api/v1/orders?limit=20", 6),
    Call("GET", "/api/v1/orders/{id}", 6),
    Call("GET", "/api/v1/orders/{id}/total?currency=EUR", 2),
    Call("GET", "/api/v1/dashboard"),
    # {% endif %}# {% if cookiecutter.jobs == "yes" %}
    Call("GET", "/api/v1/events", is_stream=True),
    # {% endif %}
    # yours below
)
"""The requests of a load test. Reads outnumber writes, as in most services; set the weights from your access log."""


class Mix:
    """Picks requests at random by weight, and remembers ids from the service's responses for later requests."""

    def __init__(self) -> None:
        self._ids: dict[str, deque[object]] = {}

    def pick(self) -> tuple[Call, str]:
        """Return a random call and the path; if an id for the path is missing, return the POST that creates an id."""
        (call,) = random.choices(CALLS, [call.weight for call in CALLS])
        collection, needed, _ = call.path.partition("/{id}")
        if not needed:
            return call, call.path
        if ids := self._ids.get(collection):
            return call, call.path.replace("{id}", str(random.choice(ids)))
        return next(creating for creating in CALLS if creating.route == f"POST {collection}"), collection

    def learn(self, call: Call, answer: bytes) -> None:
        """Remember the id in the response to a POST, for the paths of later requests."""
        if call.method == "POST":
            with suppress(ValueError, TypeError, KeyError):  # a response may have no id
                self._ids.setdefault(call.path, deque(maxlen=KEPT_IDS)).append(json.loads(answer)["id"])
