"""The routes that read orders switch no greenlets, since reads go straight to the driver, past SQLAlchemy."""

import greenlet  # type: ignore[import-untyped] # greenlet has no type hints

from tests.http_client import httpx
from tests.orders.conftest import place


async def test_a_repeated_read_switches_no_greenlet(committed_client: httpx.AsyncClient) -> None:
    """SQLAlchemy compiles a statement in its first run, in a greenlet; later runs go straight to the driver."""
    for path in [f"/api/v1/orders/{await place(committed_client)}", "/api/v1/orders"]:
        switches: list[str] = []
        await committed_client.get(path)
        greenlet.settrace(lambda event, _greenlets, switches=switches: switches.append(event))
        await committed_client.get(path)
        greenlet.settrace(None)

        assert switches == []
