"""`make client` writes a typed client that works with the running service; `make seed` fills the service's database."""

import os
import signal
from pathlib import Path

import pytest

from tests.programs import background, environment, must, run

CALLER = """
import sys
from decimal import Decimal
from http import HTTPStatus

from order_service_client import Client
from order_service_client.api.orders import create_order, list_orders, read_order, read_order_total
from order_service_client.models import LineIn, OrderIn, OrderOut, OrderPage, OrderTotal, Problem

client = Client(base_url=sys.argv[1])

page = list_orders.sync(client=client)
assert isinstance(page, OrderPage)
assert (len(page.orders), page.orders[0].customer, isinstance(page.next_, int)) == (50, "Ada", True)

order = OrderIn(customer="Ada", lines=[LineIn(sku="TEA-1", quantity=2, unit_price=str(Decimal("4.50")))])
placed, again = (create_order.sync(client=client, body=order, idempotency_key="once") for _ in range(2))
assert isinstance(placed, OrderOut)
assert placed == again
assert placed.lines[0].unit_price == "4.50"
assert placed.created_at.tzinfo is not None

total = read_order_total.sync(placed.id, client=client, currency="EUR")
assert isinstance(total, OrderTotal)
assert Decimal(total.amount) == Decimal("9.00") * Decimal(total.rate)

missing = read_order.sync_detailed(2**40, client=client)
assert missing.status_code == HTTPStatus.NOT_FOUND
assert isinstance(missing.parsed, Problem)
assert missing.parsed.code == "not_found"

refused = create_order.sync(client=client, body=OrderIn(customer="", lines=[]))
assert isinstance(refused, Problem)
assert refused.code == "invalid_request"
assert isinstance(refused.errors, list)
assert [error.field for error in refused.errors] == ["body.customer", "body.lines"]
"""
"""A caller's program that uses the generated client: pages, exact money, a write with a key, and problem responses."""


def test_a_caller_gets_types_exact_money_and_problems_from_the_running_service(copied: Path, tmp_path: Path) -> None:
    must(["make", "client"], copied)
    (copied / "caller.py").write_text(CALLER)
    program, env = [copied / ".venv/bin/python"], environment({"PYTHONPATH": "client", "MYPYPATH": "client"})
    must([*program, "-m", "mypy", "--strict", "--config-file=", "caller.py"], copied, env=env)

    with background(["make", "run"], copied, environment(), tmp_path / "run.log") as service:
        address = service.line("  open ").split()[1].removesuffix("/docs")
        seeded = [must(["make", "seed"], copied).splitlines()[-1] for _ in range(2)]
        stored = must(["make", "psql", "args=-Atc 'SELECT count(*) FROM orders'"], copied)
        must([*program, "caller.py", address], copied, env=env)
        os.killpg(service.process.pid, signal.SIGINT)
        service.process.wait(60)

    assert seeded == ["/api/v1/orders: 60 rows"] * 2
    assert stored == "60\n"  # the second `make seed` has added nothing


@pytest.mark.parametrize(
    ("variables", "environment_is"),
    [
        ({"ENVIRONMENT": "production"}, "production"),
        ({"DATABASE_URL": "postgresql://app:secret@127.0.0.1:1/app"}, "unset"),
    ],
    ids=["production", "named"],
)
def test_a_database_that_may_be_precious_is_not_seeded(
    copied: Path, variables: dict[str, str], environment_is: str
) -> None:
    done = run(["make", "seed"], copied, env=environment(variables))

    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == (
        f"ENVIRONMENT is {environment_is}: a seed needs development, and a DATABASE_URL that may be filled."
    )
