"""FastAPI dependencies of the order routes."""

from typing import Annotated

from fastapi import Depends

from app.dependencies import DownstreamsDep
from app.orders.rates import Rates


async def get_rates(downstreams: DownstreamsDep) -> Rates:
    """Return the client for exchange rates, which calls the downstream `rates`."""
    return Rates(downstreams["rates"])


RatesDep = Annotated[Rates, Depends(get_rates)]
"""The dependency of routes that convert currencies: the client for exchange rates."""
