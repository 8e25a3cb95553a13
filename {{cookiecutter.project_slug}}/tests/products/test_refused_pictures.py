"""Pictures that are refused for too many pixels, too many scans, or damage; a refusal must cost no memory."""

import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress

import pytest
from PIL import Image

from app.errors import Invalid
from app.products.pictures import MAX_PIXELS, MAX_SCANS, START_OF_SCAN, thumbnail
from app.products.schemas import PICTURE_FORMATS
from tests.databases import ROOT
from tests.products.drawing import BLUE, ORIENTATION, RED, decode, encode, halves

TOO_MANY = "The picture has more than 16000000 pixels."


def png_header(width: int, height: int) -> bytes:
    """Return a small PNG whose header declares a large size: a decoder would allocate all pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def large_canvas(side: int) -> bytes:
    """Return a small animated WEBP file that declares a large canvas, which a decoder would allocate twice."""
    frames = [Image.new("RGB", (1, 1), colour) for colour in (RED, BLUE)]
    file = encode(frames[0], "image/webp", save_all=True, append_images=frames[1:])
    return file[:24] + 2 * struct.pack("<I", side - 1)[:3] + file[30:]


def refusal(picture: bytes, media_type: str) -> str:
    """Return the error sentence with which `thumbnail` refuses a picture; an accepted picture fails the test."""
    with pytest.raises(Invalid) as refused:
        thumbnail(picture, media_type)
    return refused.value.detail


def type_of(picture: bytes) -> str:
    return "image/png" if picture[1:4] == b"PNG" else "image/webp"


def one_bit(side: int) -> bytes:
    return encode(Image.new("1", (side, side)))


LARGE: Mapping[str, Callable[[], bytes]] = {
    "one row too many": lambda: encode(Image.new("1", (4000, 4001))),
    "a kilobyte for 81 million pixels": lambda: one_bit(9000),  # below the 89 million pixels from which Pillow warns
    "Pillow warns": lambda: large_canvas(13_000),
    "Pillow refuses": lambda: png_header(60_000, 60_000),
}


@pytest.mark.parametrize("make", LARGE.values(), ids=LARGE)
def test_too_many_pixels_are_refused(make: Callable[[], bytes]) -> None:
    picture = make()

    assert refusal(picture, type_of(picture)) == TOO_MANY


PEAK = """
import resource, sys
from app.products.pictures import Invalid, thumbnail
from tests.products.drawing import encode, halves

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

thumbnail(encode(halves(1000, 1000)), "image/png")
picture, before = sys.stdin.buffer.read(), peak()
try:
    thumbnail(picture, sys.argv[1])
except Invalid:
    print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts in KiB, as Linux does")
@pytest.mark.parametrize("name", LARGE)
def test_a_refusal_costs_no_memory(name: str) -> None:
    """The peak memory of a process never falls, so each refusal is measured in a new process."""
    picture = LARGE[name]()
    done = subprocess.run(
        [sys.executable, "-c", PEAK, type_of(picture)], input=picture, capture_output=True, cwd=ROOT, check=True
    )

    assert int(done.stdout) < 5000


def test_a_file_of_very_many_scans_is_refused_before_they_are_decoded() -> None:
    whole = encode(halves(600, 300), "image/jpeg", progressive=True)
    scan = whole[whole.rindex(START_OF_SCAN) : -2]

    assert decode(thumbnail(whole, "image/jpeg")).size == (256, 128)
    assert refusal(whole[:-2] + scan * MAX_SCANS + whole[-2:], "image/jpeg") == (
        "The picture is stored in more than 150 scans."
    )


def test_the_largest_allowed_picture_is_accepted() -> None:
    assert decode(thumbnail(one_bit(4000), "image/png")).size == (256, 256)
    assert MAX_PIXELS == 4000 * 4000


@pytest.mark.parametrize("media_type", PICTURE_FORMATS)
def test_a_picture_of_a_different_type_than_declared_is_refused(media_type: str) -> None:
    pictures = [encode(halves(40, 30), name) for name in PICTURE_FORMATS if name != media_type]

    assert {refusal(picture, media_type) for picture in [*pictures, b"", b"GIF89a", b"%!PS"]} == {
        f"This is not a whole picture of type {media_type}."
    }


# Pillow warns of damaged metadata, and pytest's settings turn warnings into errors.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("media_type", PICTURE_FORMATS)
def test_a_damaged_picture_is_decoded_or_refused(media_type: str) -> None:
    exif, chance = Image.Exif(), random.Random(0)  # noqa: S311 - a fixed seed, so that each run has the same damage; no secret is drawn
    exif[ORIENTATION] = 6
    whole = encode(halves(60, 40), media_type, exif=exif)

    for _ in range(300):
        damaged = bytearray(whole[: chance.choice([len(whole), chance.randrange(1, len(whole))])])
        for _ in range(3):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        with suppress(Invalid):
            decode(thumbnail(damaged, media_type))
