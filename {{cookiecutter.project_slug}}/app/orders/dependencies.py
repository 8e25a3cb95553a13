"""What the routes of orders may ask for."""

from typing import Annotated

from fastapi import Depends, Request

from app.dependencies import DownstreamsDep
from app.errors import UnsupportedType
from app.orders.rates import Rates
from app.orders.schemas import PICTURE_FORMATS


async def get_rates(downstreams: DownstreamsDep) -> Rates:
    """Return the exchange rates."""
    return Rates(downstreams["rates"])


async def get_picture_type(request: Request) -> str:
    """Return the media type of the body, before a byte of it is read.

    Raises:
        UnsupportedType: it is none of a picture that we read.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in PICTURE_FORMATS:
        raise UnsupportedType(f"Send one of {', '.join(PICTURE_FORMATS)}.")
    return media_type


RatesDep = Annotated[Rates, Depends(get_rates)]
"""Exchange rates, from the downstream `rates`."""

PictureType = Annotated[str, Depends(get_picture_type)]
"""The media type of the picture that is sent, one of those that we read."""
