"""The business rules of products: export, price estimate, thumbnail. No HTTP and no SQL is here."""

from collections.abc import AsyncIterable

from app.database.engine import ReadWriteSession
from app.database.reader import Reader
from app.errors import NotFound
from app.products import repository
from app.products.export import pack
from app.products.interval import Estimate, estimate
from app.products.models import Product
from app.products.schemas import ProductIn
from app.work.offload import Offload
from app.work.processes import Processes

EXPORTED = 2000
"""The most products per export: reading 2000 takes 6 ms of the event loop, and packing takes 11 ms of a thread."""

SAMPLED = 1000
"""The number of latest products in a price estimate: reading 1000 takes 7 ms of the event loop, and computing takes
0.1 s of a worker process."""


async def add(session: ReadWriteSession, product: ProductIn) -> Product:
    """Store a new product."""
    return await repository.add(session, Product(**product.model_dump()))


async def export(reader: Reader, offload: Offload, *, after: int | None) -> bytes:
    """Return the newest products that are older than `after` as a gzip file, compressed in a thread.

    Raises:
        Unavailable: too many exports run or queue.
    """
    rows = await repository.newest(reader, limit=EXPORTED, before=after)
    return await offload.blocking(pack, rows)


async def price_estimate(reader: Reader, processes: Processes, currency: str) -> Estimate:
    """Return the mean price of the latest products in this currency; a worker process computes the interval.

    Raises:
        NotFound: none of the latest products is in this currency.
        Unavailable: too many estimates run or queue.
    """
    prices = await repository.prices(reader, currency=currency, among=SAMPLED)
    if not prices:
        raise NotFound(f"None of the latest {SAMPLED} products is in {currency}.")
    return await processes.run(estimate, prices)


async def thumbnail(offload: Offload, upload: AsyncIterable[bytes], media_type: str) -> bytes:
    """Return a thumbnail of an uploaded picture as WEBP, made in a thread.

    Raises:
        Invalid: the picture has too many pixels, or is no whole picture of this type.
        Unavailable: too many thumbnails run or queue.
    """
    picture = bytearray()
    # The whole picture may be in memory: the route group `uploads` bounds the size and the number of uploads.
    async for chunk in upload:
        picture += chunk
    return await offload.blocking(_shrink, picture, media_type)


def _shrink(picture: bytearray, media_type: str) -> bytes:
    """Make a thumbnail, in a thread. Pillow is imported here, with the first picture, as it costs a worker 2 MB."""
    from app.products import pictures  # noqa: PLC0415

    return pictures.thumbnail(picture, media_type)
