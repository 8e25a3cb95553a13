"""Makes thumbnails of pictures, in a thread: decoding, scaling and encoding in Pillow release the GIL.

A JPEG of 12 megapixels took 49 ms in a thread, 52 ms in a process and 43 ms in the event loop. With the thread or the
process, the event loop was late by at most 12 ms. Without a thread or a process, the event loop was blocked for 43 ms.
"""

import struct
from io import BytesIO

from PIL import Image, ImageOps

from app.errors import Invalid
from app.products.schemas import PICTURE_FORMATS

SIDE = 256
"""The length of a thumbnail's longer side in pixels."""

MAX_PIXELS = 16_000_000
"""The most pixels of an uploaded picture, enough for cameras of 12 megapixels. A WEBP of this size takes 260 MB and
0.4 s to decode, even from a file of 38 bytes."""

MAX_SCANS = 150
"""The most scans of a progressive JPEG: a hostile scan of 31 bytes may take 10 ms to decode. Real pictures have ten
scans at most. The limit is higher, as the check counts the two bytes that begin a scan, and these also occur about 80
times by chance in 5 MiB of video, which some phones append to a picture."""

TOO_MANY_PIXELS = f"The picture has more than {MAX_PIXELS} pixels."
START_OF_SCAN = b"\xff\xda"

FAR_TOO_LARGE = (Image.DecompressionBombError, Image.DecompressionBombWarning)
"""The exceptions with which Pillow itself refuses a huge picture: the warning from about 6 times `MAX_PIXELS` on, the
error from about 11 times on."""

BROKEN = (OSError, SyntaxError, ValueError, LookupError, TypeError, ArithmeticError, EOFError, struct.error)
"""The exceptions that Pillow raises for damaged pictures. MemoryError is left out, as the picture is not its cause."""


def thumbnail(picture: bytes | bytearray, media_type: str) -> bytes:
    """Return a thumbnail as WEBP: upright, without metadata and colour profile; of an animation the first frame.

    Raises:
        Invalid: the picture has too many pixels or scans, or is damaged, or of a different type.
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
    """Open a picture, and check the pixels and the scans before decoding takes memory and time.

    Raises:
        Invalid: the picture has too many pixels or scans.
    """
    image = Image.open(BytesIO(picture), formats=[PICTURE_FORMATS[media_type]])
    if image.width * image.height > MAX_PIXELS:
        raise Invalid(TOO_MANY_PIXELS)
    if media_type == "image/jpeg" and picture.count(START_OF_SCAN) > MAX_SCANS:
        raise Invalid(f"The picture is stored in more than {MAX_SCANS} scans.")
    return image


def _shrink(image: Image.Image) -> Image.Image:
    """Return a picture of at most 256 pixels a side, upright, in RGB or RGBA.

    Scaling comes first: Pillow then decodes a large JPEG at up to an eighth of the size, and later steps are cheap.
    """
    if image.mode == "I;16":  # 16-bit grey: Pillow's conversion to 8 bits would clip all values above 255
        image = image.point(lambda shade: shade / 256).convert("L")
        image.info.pop("transparency", None)  # a 16-bit value for the transparent shade has no 8-bit equivalent
    # scaling mixes the colours of pixels, which is impossible while the pixels are indices of a palette
    if image.mode in {"1", "P"} or "transparency" in image.info:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    image.thumbnail((SIDE, SIDE))
    ImageOps.exif_transpose(image, in_place=True)
    return image.convert("RGBA" if image.has_transparency_data else "RGB")
