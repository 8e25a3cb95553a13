"""The table of requests with which the programs are measured; a new workload is a new row."""

import json
from dataclasses import dataclass

from benchmarks.variants import VARIANTS, Variant

SEEDED_ITEMS = 10_000
SEEDED_ORDERS = 2_000

ITEM = {"name": "A hammer of medium size", "kind": "tool", "price_cents": 1999, "in_stock": True}
LINES = [{"sku": f"TEA-{number}", "quantity": number, "unit_price": "4.50"} for number in (1, 2, 3)]
ORDER = {"customer": "A customer", "currency": "EUR", "lines": LINES}


@dataclass(frozen=True, slots=True)
class Workload:
    """A kind of request with which the programs are loaded."""

    name: str
    label: str
    path: str
    """The path of the request; `{id}` stands for a number from 1 to `ids`."""
    ids: int = 1
    method: str = "GET"
    body: str = ""
    connections: tuple[int, ...] = (16,)
    """The numbers of concurrent clients; each number is measured in a separate run."""
    generated_fields: frozenset[str] = frozenset()
    """Response fields that differ from call to call, so that a comparison of responses leaves these out."""

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The programs that can answer this kind of request."""
        return tuple(variant for variant in VARIANTS if self.name in variant.workloads)


GENERATED = frozenset({"id", "created_at"})

WORKLOADS = (
    Workload("read", "read one row", "/api/v1/items/{id}", ids=SEEDED_ITEMS, connections=(16, 64)),
    Workload("list", "list 50 rows", "/api/v1/items?limit=50"),
    Workload(
        "create", "create one row", "/api/v1/items", method="POST", body=json.dumps(ITEM), generated_fields=GENERATED
    ),
    Workload("order read", "read an order with 3 lines", "/api/v1/orders/{id}", ids=SEEDED_ORDERS),
    Workload(
        "order create",
        "create an order with 3 lines",
        "/api/v1/orders",
        method="POST",
        body=json.dumps(ORDER),
        generated_fields=GENERATED,
    ),
    Workload("no database", "a route without a database", "/api/v1/item-kinds"),
)
