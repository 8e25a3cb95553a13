"""The drawing kit: charts and titles agree with their values, and all readers can tell the colours apart."""

import math
import re
from itertools import combinations

import pytest

from devtools.drawing.charts import Bar, Figure, Mark, bars
from devtools.drawing.colours import PALETTE, series_style
from devtools.drawing.frames import TICKS, Axis, Frame, axis_from_zero, axis_of_decades
from devtools.drawing.outcomes import BROKEN, ERROR, LATE, OK, OUTCOMES, REJECTED, SHED, outcome_of
from devtools.drawing.page import Section, document, figure_html, table_html
from devtools.drawing.tables import Table, aligned_lines, markdown_lines
from devtools.drawing.titles import highest, last, title_of_bars, title_of_points

TABLE = Table("Costs", ("layer", "us"), [("routing", "39"), ("log", "29")])
BARS = [Bar("raw", 50, "50 us"), Bar("service", 100, "100 us", dots=[80, 110]), Bar("textbook", 75, "75 us")]
TENS = Frame(Axis("requests", (0, 10)), Axis("MB", (0, 10)))

SEEN_BY = {
    "all colours": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
    "no green": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
    "no blue": ((1.256, -0.077, -0.179), (-0.078, 0.931, 0.148), (0.005, 0.691, 0.304)),
}
"""Matrices that turn linear colours into those that readers with each kind of colour blindness see (Machado, Oliveira,
Fernandes)."""

TOLD_APART = 0.12
"""The least distance of two colours in the colour space OKLab; a distance of 0.02 is just noticeable."""

GRAPHICS_CONTRAST = 3.0
"""The least contrast of a graphic's part to its background, by WCAG 2.2, 1.4.11."""

Colour = tuple[float, float, float]


def linear(colour: str) -> Colour:
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return red, green, blue


def times(matrix: tuple[Colour, ...], colour: Colour) -> Colour:
    first, second, third = (sum(a * b for a, b in zip(row, colour, strict=True)) for row in matrix)
    return first, second, third


def oklab(colour: Colour) -> Colour:
    to_cones = ((0.4122, 0.5363, 0.0514), (0.2119, 0.6807, 0.1074), (0.0883, 0.2817, 0.6300))
    to_lab = ((0.2105, 0.7936, -0.0041), (1.9780, -2.4286, 0.4506), (0.0259, 0.7828, -0.8087))
    long, middle, short = (max(0.0, part) ** (1 / 3) for part in times(to_cones, colour))
    return times(to_lab, (long, middle, short))


def contrast(one: str, other: str) -> float:
    dark, light = sorted(times(((0.2126, 0.7152, 0.0722),) * 3, linear(colour))[0] for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("page", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("reader", SEEN_BY)
def test_every_reader_tells_the_outcomes_of_requests_apart(page: int, reader: str) -> None:
    colours = {outcome.name: PALETTE[outcome.colour][page] for outcome in OUTCOMES}
    seen = {name: oklab(times(SEEN_BY[reader], linear(colour))) for name, colour in colours.items()}

    near = {pair: math.dist(seen[pair[0]], seen[pair[1]]) for pair in combinations(seen, 2)}
    assert min(near.values()) >= TOLD_APART, min(near, key=near.__getitem__)
    assert len({outcome.marker for outcome in OUTCOMES}) == len(OUTCOMES)


@pytest.mark.parametrize("page", [0, 1], ids=["light", "dark"])
def test_every_colour_of_data_stands_out_from_the_page(page: int) -> None:
    weak = {
        name: round(contrast(shades[page], PALETTE["back"][page]), 2)
        for name, shades in PALETTE.items()
        if name not in {"back", "rule"}
    }

    assert {name: found for name, found in weak.items() if found < GRAPHICS_CONTRAST} == {}


def test_each_end_of_a_request_has_its_outcome() -> None:
    ends = {"200": OK, "304": OK, "404": REJECTED, "429": SHED, "503": SHED, "504": LATE, "500": ERROR, "502": ERROR}

    assert {end: outcome_of(end) for end in ends} == ends
    assert {outcome_of(end) for end in ("reset reused", "refused", "connection", "")} == {BROKEN}


def test_the_title_of_bars_says_what_the_bars_say() -> None:
    title, drawn = title_of_bars("CPU per request", BARS), bars(BARS)

    assert title == "CPU per request: least 50 us (raw), most 100 us (service), 2.0 times as much"
    widths = dict(
        re.findall(r'<span>(\w+)</span><b>[^<]*</b><div class="track "><i class="bar" style="width:([\d.]+)', drawn)
    )
    assert sorted(widths, key=lambda name: float(widths[name])) == ["raw", "textbook", "service"]
    assert float(widths["service"]) == pytest.approx(2 * float(widths["raw"]), rel=0.01)
    assert title_of_bars("p99", [Bar("a", 100, "100 ms"), Bar("b", 101, "101 ms")]) == "p99: about 101 ms each"


def test_the_title_of_points_has_a_value_of_each_drawn_series() -> None:
    series = {"a": [(0.0, 9.0), (1.0, 4.0)], "b": [(0.0, 2.0)], "none": []}
    names = {"a": "on the loop", "b": "in threads", "none": "nowhere"}

    titles = [title_of_points("Longest", series, names, value, lambda ms: f"{ms:g} ms") for value in (highest, last)]

    assert titles == [
        "Longest: 9 ms (on the loop), 2 ms (in threads)",
        "Longest: 4 ms (on the loop), 2 ms (in threads)",
    ]


@pytest.mark.parametrize("largest", [0, 0.003, 0.9, 1, 7, 59, 60, 61, 684, 2_068, 200_000])
def test_an_axis_reaches_beyond_its_largest_value_in_few_steps(largest: float) -> None:
    axis = axis_from_zero("milliseconds", largest)

    assert axis.ticks[0] == 0
    assert axis.ticks[-2] < (largest or 1) <= axis.ticks[-1]
    assert len(axis.ticks) <= TICKS + 1


@pytest.mark.parametrize(("least", "most"), [(0.0001, 0.0001), (0.002, 4.1), (1, 1000)])
def test_a_logarithmic_axis_gives_each_decade_the_same_length(least: float, most: float) -> None:
    axis = axis_of_decades("milliseconds", least, most)

    assert axis.ticks[0] <= least < most * 1.01 <= axis.ticks[-1] * 1.01
    steps = [axis.position(tick) for tick in axis.ticks]
    assert steps == pytest.approx([place / (len(steps) - 1) for place in range(len(steps))])


def coordinates(drawn: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", drawn)]


def test_dots_lines_and_columns_stand_at_the_place_of_their_points() -> None:
    points = [(0.0, 0.0), (5.0, 5.0), (10.0, 10.0)]

    found = coordinates(TENS.dots(points, "service"))

    assert found == coordinates(TENS.line(points, "service").replace(" L", "L"))
    (left, bottom), middle, (right, top) = found
    assert middle == pytest.approx(((left + right) / 2, (top + bottom) / 2))
    assert (left < right, top < bottom) == (True, True)
    column = f"M{left} {bottom}V{middle[1]}H{right}V{bottom}z"
    assert column in TENS.columns([(0, 0, 5)], 10, "service")
    assert coordinates(TENS.dots([(5.0, 5.0)] * 1000, "service")) == [middle]


def test_a_fault_is_marked_at_its_begin_and_at_its_end() -> None:
    marks = [Mark("the database is away", 2.5, 7.5), Mark("SIGTERM", 5.0, 5.0), Mark("again", 5.1, 6.0)]
    figure = TENS.figure("Faults", [], {}, marks=marks)
    (begin, *_), (end, *_), (moment, *_) = (coordinates(TENS.line([(at, 0)], ""))[0] for at in (2.5, 7.5, 5.0))

    edges = [x for x, _ in coordinates("".join(re.findall(r'<path class="edge"[^>]*>', figure.drawing)))]
    assert {begin, end, moment} < set(edges)
    assert len(edges) == 5  # the mark of a moment has one line, the mark of a span two
    assert f'<rect class="span" x="{begin}" y="14" width="{end - begin}"' in figure.drawing
    assert re.findall(r'<text class="mark"[^>]*y="(\d+)">(\w)', figure.drawing) == [
        ("11", "A"),
        ("11", "B"),
        ("27", "C"),  # mark C is near mark B, so the letter C is in a second row
    ]
    assert "<li>A: 2.50 s to 7.50 s, the database is away</li><li>B: 5.00 s, SIGTERM</li>" in figure_html(figure)


def test_a_page_links_its_parts_and_uses_no_colour_that_it_does_not_define() -> None:
    figure = Figure("CPU & time", bars([Bar("service", 1, "1 us", series="service")]), {"service": "the <service>"})
    sections = [
        Section("Read, 16 clients", [figure_html(figure)]),
        Section("Costs", table_html(TABLE, "costs", alerts={"39"}), alert=True),
    ]

    text = document("Page", [], sections, series={"service": "blue"})

    assert set(re.findall(r"var\(--([\w-]+)", text)) <= set(re.findall(r"--([\w-]+):", text))
    assert 'class="swatch service"' in text
    assert '<td class="number alert">39</td>' in text
    assert "CPU &amp; time" in text
    assert "the &lt;service&gt;" in text
    anchors = re.findall(r'href="#([\w-]+)"', text)
    assert anchors == re.findall(r'<section id="([\w-]+)"', text) == ["read-16-clients", "costs"]
    assert re.findall(r"""(?:src|href)=["'](?!#)|url\((?!#)|@import|<script""", text) == []


def test_a_colour_outside_the_palette_is_refused() -> None:
    with pytest.raises(KeyError, match="bleu"):
        series_style({"service": "bleu"})


def test_a_table_is_written_for_documents_and_for_terminals() -> None:
    assert list(markdown_lines(TABLE)) == ["| layer | us |", "|---|---|", "| routing | 39 |", "| log | 29 |"]
    assert list(aligned_lines(TABLE)) == ["layer     us", "routing   39", "log       29"]
