"""A small copy of a picture. Work for a thread: Pillow releases the GIL while it decodes, scales and encodes.

A JPEG of 12 megapixels took 49 ms in a thread, 52 ms in a process and 43 ms in the event loop, which turned no later
than 12 ms in the first two cases and stood still in the third.
"""

import struct
from io import BytesIO

from PIL import Image, ImageOps

from app.errors import Invalid
from app.orders.schemas import PICTURE_FORMATS

SIDE = 256
"""The longest side of the copy in pixels."""

MAX_PIXELS = 16_000_000
"""What a camera of 12 megapixels makes. As WEBP so many take 260 MB and 0.4 s to decode, from a file of 38 bytes."""

MAX_SCANS = 150
"""Each scan of a progressive JPEG costs up to 10 ms and 31 bytes. Files have ten at most; the two bytes that begin one
are also in 5 MiB of video, which some phones append, 80 times by chance."""

TOO_MANY_PIXELS = f"The picture has more than {MAX_PIXELS} pixels."
START_OF_SCAN = b"\xff\xda"

FAR_TOO_LARGE = (Image.DecompressionBombError, Image.DecompressionBombWarning)
"""Pillow's own alarms go off while it opens a file, at six and at eleven times our limit."""

BROKEN = (OSError, SyntaxError, ValueError, LookupError, TypeError, ArithmeticError, EOFError, struct.error)
"""What Pillow raises at damaged bytes; a bug of ours or the end of the memory is mostly something else."""


def thumbnail(picture: bytes | bytearray, media_type: str) -> bytes:
    """Return a WEBP, upright, with the colours taken as sRGB and without metadata; of an animation the first frame.

    Raises:
        Invalid: the picture has too many pixels or scans, or it is damaged, or of another type.
    """
    try:
        small = _shrink(_open(picture, media_type))
    except FAR_TOO_LARGE:
        raise Invalid(TOO_MANY_PIXELS) from None
    except BROKEN as error:
        raise Invalid(f"This is not a whole picture of type {media_type}.") from error
    webp = BytesIO()
    small.save(webp, "WEBP")
    return webp.getvalue()


def _open(picture: bytes | bytearray, media_type: str) -> Image.Image:
    """Read the header only, and judge by it: afterwards the memory is taken and the time is spent."""
    image = Image.open(BytesIO(picture), formats=[PICTURE_FORMATS[media_type]])
    if image.width * image.height > MAX_PIXELS:
        raise Invalid(TOO_MANY_PIXELS)
    if media_type == "image/jpeg" and picture.count(START_OF_SCAN) > MAX_SCANS:
        raise Invalid(f"The picture is stored in more than {MAX_SCANS} scans.")
    return image


def _shrink(image: Image.Image) -> Image.Image:
    """Scale down before all else: a JPEG is then decoded at an eighth of its size, and what follows is cheap."""
    if image.mode == "I;16":  # a conversion would cut off all above 255 instead of scaling it
        image = image.point(lambda shade: shade / 256).convert("L")
        image.info.pop("transparency", None)  # a shade out of 65536
    if image.mode in {"1", "P"} or "transparency" in image.info:  # no filter works on numbers of colours
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    image.thumbnail((SIDE, SIDE))
    ImageOps.exif_transpose(image, in_place=True)
    return image.convert("RGBA" if image.has_transparency_data else "RGB")
