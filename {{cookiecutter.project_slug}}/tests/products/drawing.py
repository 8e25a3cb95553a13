"""Pictures for tests of thumbnails: drawn in memory, and encoded as the bytes of a file."""

from io import BytesIO
from typing import Any

from PIL import Image

from app.products.schemas import PICTURE_FORMATS

RED, BLUE = (250, 0, 0), (0, 0, 250)
ORIENTATION = 0x0112


def encode(image: Image.Image, media_type: str = "image/png", **options: Any) -> bytes:  # noqa: ANN401 - options of Pillow's `Image.save`
    """Return a picture encoded as a file of a media type such as `image/png`."""
    file = BytesIO()
    image.save(file, PICTURE_FORMATS[media_type], **options)
    return file.getvalue()


def decode(webp: bytes) -> Image.Image:
    """Return the picture in a thumbnail file; any format but WEBP fails the test."""
    return Image.open(BytesIO(webp), formats=["WEBP"])


def halves(width: int, height: int) -> Image.Image:
    """Return a picture that is red on the left and blue on the right half, so that its colours reveal a rotation."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image
