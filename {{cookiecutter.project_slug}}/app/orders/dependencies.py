"""What the routes of orders may ask for."""

from typing import Annotated

from fastapi import Depends

from app.dependencies import DownstreamsDep
from app.orders.rates import Rates


async def get_rates(downstreams: DownstreamsDep) -> Rates:
    """Return the exchange rates."""
    return Rates(downstreams["rates"])


RatesDep = Annotated[Rates, Depends(get_rates)]
"""Exchange rates, from the downstream `rates`."""
