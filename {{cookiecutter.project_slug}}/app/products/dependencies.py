"""FastAPI dependencies of the product routes."""

from typing import Annotated

from fastapi import Depends, Request

from app.errors import UnsupportedType
from app.products.schemas import PICTURE_FORMATS


async def get_picture_type(request: Request) -> str:
    """Return the media type of an uploaded picture, before the body is read.

    Raises:
        UnsupportedType: the media type is missing from `PICTURE_FORMATS`.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in PICTURE_FORMATS:
        raise UnsupportedType(f"Send one of {', '.join(PICTURE_FORMATS)}.")
    return media_type


PictureType = Annotated[str, Depends(get_picture_type)]
"""The media type of the picture in the request body, a key of `PICTURE_FORMATS`."""
