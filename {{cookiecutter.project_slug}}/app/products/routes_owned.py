"""The HTTP routes of products: paths, parameters and statuses. The rules of products are in `service.py`."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from app.dependencies import STRICT, IdempotentDep, OffloadDep, ProcessesDep, ReadSession, WriteSession
from app.products import service
from app.products.dependencies import PictureType
from app.products.schemas import (
    PICTURE_FORMATS,
    EstimateQuery,
    ExportQuery,
    PriceEstimate,
    ProductIn,
    ProductOut,
)
from app.request.authenticated import needs
from app.web.openapi import documented_errors

router = APIRouter(prefix="/api/v1", tags=["products"], dependencies=[needs("products")])


class GzipFile(Response):
    """A response with a gzip file, which clients keep compressed, unlike a body with `Content-Encoding: gzip`."""

    media_type = "application/gzip"


class WebpPicture(Response):
    """A response with a WEBP picture."""

    media_type = "image/webp"


BINARY = {"schema": {"type": "string", "format": "binary"}}
PICTURE: dict[str, Any] = {"requestBody": {"required": True, "content": dict.fromkeys(PICTURE_FORMATS, BINARY)}}
"""The OpenAPI description of an uploaded picture: FastAPI cannot describe a request body that the route streams."""


@router.post(
    "/products", status_code=201, response_model=ProductOut, responses=documented_errors(409), dependencies=STRICT
)
async def add_product(product: ProductIn, session: WriteSession, idempotent: IdempotentDep) -> Response:
    """Add a product; repeated requests with the same `Idempotency-Key` add only one product."""
    if (answered := await idempotent.answered(session)) is not None:
        return answered
    added = ProductOut.model_validate(await service.add(session, product))
    return await idempotent.answer(session, added, status=201, headers={})


@router.get("/products.jsonl.gz", response_class=GzipFile)
async def export_products(
    query: Annotated[ExportQuery, Query()], session: ReadSession, offload: OffloadDep
) -> GzipFile:
    """Export products, newest first, as JSON Lines in a gzip file. For the next part, pass the last id as `after`."""
    return GzipFile(await service.export(session, offload, after=query.after))


@router.get("/price-estimate", responses=documented_errors(404))
async def read_price_estimate(
    query: Annotated[EstimateQuery, Query()], session: ReadSession, processes: ProcessesDep
) -> PriceEstimate:
    """Estimate the mean price of the latest products."""
    found = await service.price_estimate(session, processes, query.currency)
    return PriceEstimate(currency=query.currency, products=found.size, mean=found.mean, low=found.low, high=found.high)


@router.post(
    "/thumbnails",
    response_class=WebpPicture,
    responses={200: {"content": {"image/webp": BINARY}}},
    openapi_extra=PICTURE,
    dependencies=STRICT,
)
async def make_thumbnail(picture_type: PictureType, request: Request, offload: OffloadDep) -> WebpPicture:
    """Make a thumbnail of a product's picture; neither the picture nor the thumbnail is stored."""
    return WebpPicture(await service.thumbnail(offload, request.stream(), picture_type))
