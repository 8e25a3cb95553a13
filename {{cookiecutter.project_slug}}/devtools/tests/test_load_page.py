"""The page of the load test: titles and charts count every request, failures included."""

import re

from devtools.load.page import distribution, outcomes, page
from devtools.load.report import OK, Record, notes, table

KINDS = {OK: 6, "503": 2, "504": 1, "HTTP 500": 1, "HTTP 404": 1, "connection": 1, "not started": 4}
RECORDS = [
    Record(0.1 * number, "GET /a", 10.0 + number, 0.0, kind, 0)
    for kind, count in KINDS.items()
    for number in range(count)
]
SENT = [record for record in RECORDS if record.kind != "not started"]


def test_each_outcome_is_counted_in_the_title_of_its_columns() -> None:
    figure = outcomes(SENT)

    assert figure.caption == (
        "Requests that ended in each second: 6 x 2xx/3xx, 1 x 4xx, 2 x 429/503, 1 x 504, 1 x 500/other 5xx, "
        "1 x connection error"
    )
    assert re.findall(r'class="column ([\w-]+)"', figure.drawing) == [*figure.legend]


def test_a_failed_request_never_counts_as_one_that_succeeded_within_a_latency() -> None:
    figure = distribution(SENT, {"route-0": "GET /a"})

    assert figure.caption == "At least 50 % of the requests of each route succeeded in the end (GET /a)"
    assert figure.legend == {"route-0": "GET /a: 50 %"}
    (line,) = re.findall(r'class="line route-0" d="([^"]+)"', figure.drawing)
    # The third grid line, after 0 and 25 %, is at 50 % of the requests.
    middle = float(re.findall(r'<path class="grid" d="M\d+ ([\d.]+)', figure.drawing)[2])
    assert float(line.split()[-1]) == middle


def test_the_page_has_all_numbers_and_no_file_of_its_own() -> None:
    text = page("http://127.0.0.1:1", RECORDS, table(RECORDS), notes(RECORDS, 4, 0))

    assert text.count("<figure") == 3
    assert "Other failures: 1 x HTTP 500, 1 x HTTP 404." in text
    assert re.findall(r"""(?:src|href)=["'](?!#)|url\((?!#)|@import""", text) == []
