"""Thumbnails are small and upright, with the original picture's colours and without its metadata."""

import pytest
from PIL import Image, ImageCms

from app.products.pictures import thumbnail
from app.products.schemas import PICTURE_FORMATS
from tests.products.drawing import BLUE, ORIENTATION, RED, decode, encode, halves

CAMERA, GREEN = 0x0110, (0, 200, 0)


def has_colour(image: Image.Image, point: tuple[int, int], colour: tuple[int, ...]) -> bool:
    """Tell whether a pixel has a colour, within 12 levels per channel, as lossy formats change colours a little."""
    found = image.getpixel(point)
    assert isinstance(found, tuple)
    return len(found) == len(colour) and all(
        abs(value - wanted) <= 12 for value, wanted in zip(found, colour, strict=True)
    )


@pytest.mark.parametrize("media_type", PICTURE_FORMATS)
@pytest.mark.parametrize(("size", "expected"), [((1000, 500), (256, 128)), ((3, 900), (1, 256)), ((40, 30), (40, 30))])
def test_no_side_is_longer_than_256_pixels_and_no_picture_is_enlarged(
    media_type: str, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert decode(thumbnail(encode(halves(*size), media_type), media_type)).size == expected


@pytest.mark.parametrize("media_type", PICTURE_FORMATS)
def test_a_picture_that_the_camera_held_sideways_stands_upright(media_type: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # the EXIF value for "turn clockwise by 90 degrees to view"

    made = decode(thumbnail(encode(halves(400, 200), media_type, exif=exif), media_type))

    assert made.size == (128, 256)
    assert has_colour(made, (64, 20), RED)
    assert has_colour(made, (64, 236), BLUE)


@pytest.mark.parametrize("media_type", PICTURE_FORMATS)
def test_a_thumbnail_has_no_metadata_of_the_picture(media_type: str) -> None:
    exif = Image.Exif()
    exif[CAMERA] = "a secret camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    sent = encode(halves(400, 200), media_type, exif=exif, icc_profile=profile, xmp=b"<x>a secret place</x>")

    made = thumbnail(sent, media_type)

    assert b"secret" in sent
    assert [name for name in (b"EXIF", b"XMP ", b"ICCP", b"secret") if name in made] == []
    assert dict(decode(made).getexif()) == {}


MODES: list[tuple[Image.Image, str, tuple[int, ...]]] = [
    (Image.new("1", (300, 300), 1), "image/png", (255, 255, 255)),
    (Image.new("L", (300, 300), 90), "image/png", (90, 90, 90)),
    (Image.new("I;16", (300, 300), 90 * 256), "image/png", (90, 90, 90)),
    (Image.new("LA", (300, 300), (90, 100)), "image/png", (90, 90, 90, 100)),
    (Image.new("RGB", (300, 300), GREEN).convert("P"), "image/png", (0, 204, 0)),
    (Image.new("RGBA", (300, 300), (*GREEN, 100)), "image/png", (*GREEN, 100)),
    (Image.new("RGBA", (300, 300), (*GREEN, 100)), "image/webp", (*GREEN, 100)),
    (Image.new("CMYK", (300, 300), (255, 0, 255, 55)), "image/jpeg", GREEN),
    (Image.new("L", (300, 300), 90), "image/jpeg", (90, 90, 90)),
]


@pytest.mark.parametrize(("image", "media_type", "expected"), MODES, ids=lambda value: getattr(value, "mode", None))
def test_every_colour_mode_keeps_the_colours(image: Image.Image, media_type: str, expected: tuple[int, ...]) -> None:
    assert has_colour(decode(thumbnail(encode(image, media_type), media_type)), (9, 9), expected)


@pytest.mark.parametrize("mode", ["1", "P"])
def test_black_and_white_dots_become_grey(mode: str) -> None:
    """Without smoothing, a thumbnail of half the size would drop every second dot, and be all black or all white."""
    dots = Image.new("1", (512, 512))
    dots.putdata([255 * ((dot + dot // 512) % 2) for dot in range(512 * 512)])

    assert has_colour(decode(thumbnail(encode(dots.convert(mode)), "image/png")), (128, 128), (128, 128, 128))


def test_a_transparent_colour_of_a_palette_stays_transparent() -> None:
    palette = halves(256, 256).convert("P")
    clear = palette.getpixel((0, 0))

    made = decode(thumbnail(encode(palette, transparency=clear), "image/png"))

    alpha = made.getchannel("A")
    assert alpha.getextrema() == (0, 255)
    assert (alpha.getpixel((5, 128)), alpha.getpixel((250, 128))) == (0, 255)


@pytest.mark.parametrize("media_type", ["image/png", "image/webp"])
def test_the_thumbnail_of_an_animation_is_the_first_frame(media_type: str) -> None:
    frames = [Image.new("RGB", (300, 300), colour) for colour in (RED, BLUE)]
    sent = encode(frames[0], media_type, save_all=True, append_images=frames[1:])

    made = decode(thumbnail(sent, media_type))

    assert getattr(made, "n_frames", 1) == 1
    assert has_colour(made, (9, 9), RED)
