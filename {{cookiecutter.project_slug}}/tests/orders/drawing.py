"""Pictures for the tests, as files."""

from io import BytesIO
from typing import Any

from PIL import Image

from app.orders.schemas import PICTURE_FORMATS

RED, BLUE = (250, 0, 0), (0, 0, 250)
ORIENTATION = 0x0112


def encode(image: Image.Image, media_type: str = "image/png", **options: Any) -> bytes:  # noqa: ANN401 - Pillow's own
    """Return the picture as a file."""
    file = BytesIO()
    image.save(file, PICTURE_FORMATS[media_type], **options)
    return file.getvalue()


def decode(webp: bytes) -> Image.Image:
    """Return what was made, which has to be a WEBP."""
    return Image.open(BytesIO(webp), formats=["WEBP"])


def halves(width: int, height: int) -> Image.Image:
    """Return a picture that is red on the left and blue on the right."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image
