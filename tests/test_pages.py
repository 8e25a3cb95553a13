"""The HTML pages of lab, benchmarks, load tests, capacity, faults, status and console fit a phone and a screen.

A browser shows the pages. The numbers are made up, but widths, texts and charts are those of real reports.
"""

import json
import re
from collections.abc import Callable
from html import escape, unescape
from pathlib import Path

import pytest

from benchmarks.cold_starts import ColdStarts
from benchmarks.goals import GOALS
from benchmarks.load_rounds import Memory, Run
from benchmarks.memory_growth import MemoryGrowth
from benchmarks.page import page as benchmarks_page
from benchmarks.results import Results, Times
from benchmarks.startup_time import Starts
from benchmarks.variants import SERVICE, VARIANTS
from benchmarks.wrk import Load
from drawing.tables import Table
from lab import plots
from lab.__main__ import EXPERIMENTS
from lab.client import Answer
from lab.experiment import ASYNC, BLOCKING, Finding
from lab.page import page as lab_page
from tests.programs import must

WIDTHS = (390, 768, 1280)
LEAST_TEXT_PIXELS = 11
LONG = "a route with a response model, and a name that no phone shows in one line"

SERVICE_PAGES = """
import json
import sys
from pathlib import Path
from prometheus_client import Metric
from app.observability.metrics import LONG
from app.observability.status_page import STATUS, StatusPage
from app.settings.service import Settings
from devtools.capacity import chart
from devtools.console import frame
from devtools.drawing.charts import Mark
from devtools.load import page
from devtools.load.report import Record, notes, table
from tests.faults import report
from tests.faults.timeline import Seen, Timeline

folder = Path(sys.argv[1])
kinds = ["ok"] * 90 + ["503", "504", "HTTP 500", "HTTP 404", "connection"]
records = [Record(n / 20, f"GET /api/v1/orders/{{order_id}}/{n % 5}", 5.0 + n, 0, k, 0) for n, k in enumerate(kinds)]
(folder / "load.html").write_text(page.page("http://127.0.0.1:1", records, table(records), notes(records, 9, 0)))
settings = Settings(_env_file=None, database_url="postgresql://a@127.0.0.1:1/a", replicas=3)
(folder / "capacity.html").write_text(chart.page(settings, cpus=2))
ends = ["200"] * 30 + ["503", "504", "500", "404", "reset reused", "timed out"]
seen = [Seen(n / 3, 10.0 ** (n % 5 - 4), end) for n, end in enumerate(ends)]
marks = [Mark("SIGTERM, and the load balancer does not know it yet", 2.0, 7.5), Mark("the service has ended", 9.1, 9.1)]
names = ["test_sigterm.py::test_a_stop_loses_no_request", "test_frozen.py::test_a_frozen_server[plain]"]
timelines = [Timeline(name, took=12, passed=name == names[0], marks=marks, seen=seen) for name in names]
(folder / "faults.html").write_text(report.html_of(timelines))
requests = Metric("http_server_request_duration_seconds", "Requests", "histogram")
orders, estimate, longest = "/api/v1/orders/{order_id}/total", "/api/v1/price-estimate", str(max(LONG))
shares = {orders: {"0.005": 0.6, "2.5": 0.9}, estimate: {"7.5": 0.6, longest: 1}, "unmatched": {longest: 1}}
for route, share in shares.items():
    labels = {"http_request_method": "GET", "http_route": route}
    for status, count in (("200", 1234), ("504", 56)):
        for bound, part in (share | {"+Inf": 1}).items():
            requests.add_sample(f"{requests.name}_bucket", labels | {STATUS: status, "le": bound}, count * part)
bulkheads = Metric("app_bulkhead", "Bulkheads", "gauge")
for name in ("conversions.database", "requests.after_response", "downstreams.confirmations"):
    for word in ("limit", "active", "waiting", "rejected_total", "wait_seconds_total"):
        bulkheads.add_sample(f"app_bulkhead_{word}", {"bulkhead": name}, 1234.5)
status_page = StatusPage()
status_page._at -= 5  # the page covers 5 seconds
(folder / "status.html").write_text(status_page.render([requests, bulkheads], "not ready"))
names = ("conversions.database", "requests.after_response", "downstreams.issuer", "downstreams.confirmations")
gauges = [frame.gauge(f"bulkhead {name}", 1234, 5000, "2 waiting, 4 rejected") for name in names]
empty = {name: "" for name in ("boot", "service", "migrations", "load")}
lists = {name: [] for name in ("not_ready", "switches", "requests", "stalls", "links", "settings", "routes")}
files = [Path(frame.__file__).with_name(name) for name in ("page.html", "page.css", "page.js")]
html, style, script = (file.read_text("utf-8") for file in files)
shown = json.dumps(empty | lists | {"gauges": gauges})
(folder / "console.html").write_text(
    html.replace('<link rel="stylesheet" href="page.css">', f"<style>{style}</style>").replace(' src="page.js"', "")
    + f"<script>EventSource = class {{}};{script}show({shown});</script>"
)
"""
"""A program that writes the pages of a generated service into files, with the service's own modules."""

LOOK = """
const box = element => element.getBoundingClientRect();
const drawn = element => element.getScreenCTM ? element.getScreenCTM().a : 1;
const pixels = element => parseFloat(element.ownerDocument.defaultView.getComputedStyle(element).fontSize);
const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
const lines = (node, word) => {
  const range = node.ownerDocument.createRange();
  range.setStart(node, word.index);
  range.setEnd(node, word.index + word[0].length);
  return new Set([...range.getClientRects()].map(part => Math.round(part.top))).size;
};
const torn = node => [...node.data.matchAll(/[^\\s\\/-]+/g)].filter(word => lines(node, word) > 1).map(word => word[0]);
const spills = element => {
  const range = element.ownerDocument.createRange(), edge = box(element);
  const {display, paddingLeft, paddingRight} = element.ownerDocument.defaultView.getComputedStyle(element);
  const [left, right] = [edge.left + parseFloat(paddingLeft), edge.right - parseFloat(paddingRight)];
  range.selectNodeContents(element);
  return !element.ownerSVGElement && display != "inline" && [...range.getClientRects()].some(
    part => part.left < left - .5 || part.right > right + .5);
};
const said = (list) => list.map(element => `${element.tagName} ${element.textContent.slice(0, 60)}`);
function look(frame) {
  const page = frame.contentDocument, all = [...page.body.querySelectorAll("*")];
  const texts = all.filter(element => [...element.childNodes].some(node => node.nodeType == 3 && node.data.trim()));
  const words = [...page.querySelectorAll("svg")].map(svg => [...svg.querySelectorAll("text")]);
  const inside = element => !element.closest(".scroll, .wide") && element.tagName != "path";
  const hides = element => element.ownerDocument.defaultView.getComputedStyle(element).overflowX != "visible";
  const cut = element => hides(element) && element.scrollWidth > element.clientWidth;
  return {
    page: frame.title,
    scrolls: page.documentElement.scrollWidth > frame.clientWidth,
    wide: said(all.filter(element => inside(element) && box(element).right > frame.clientWidth + .5)),
    cut: said(all.filter(element => inside(element) && cut(element))),
    spilling: said(texts.filter(element => inside(element) && spills(element))),
    small: said(texts.filter(element => pixels(element) * drawn(element) < LEAST_TEXT_PIXELS)),
    overlapping: said(words.flatMap(of => of.filter((one, place) => of.slice(0, place).some(
      other => meet(box(one), box(other)))))),
    torn: texts.flatMap(element => [...element.childNodes].filter(node => node.nodeType == 3).flatMap(torn)),
    texts: texts.length,
  };
}
onload = () => { document.body.textContent = JSON.stringify([...document.querySelectorAll("iframe")].map(look)); };
"""
"""JavaScript that inspects the pages in a browser: each page in a frame of each width."""


def lab() -> str:
    """Return the lab's page with two made-up experiments."""
    answers = [Answer(number / 100, number / 100 + number**2 / 1000, 200, None) for number in range(1, 41)]
    figures = [
        plots.latencies("Longest hello", "the computing began", {ASYNC: answers}, {ASYNC: LONG}),
        plots.times("Time until the last call", [(BLOCKING, LONG, 1.234), (ASYNC, "in processes", 0.2)]),
    ]
    table = Table("Until the last answer", ("at once", *[LONG] * 3), [("20, published", *["1.234 s"] * 3)])
    return lab_page(
        [(EXPERIMENTS[name], Finding("It took 1.2 s.", table, figures)) for name in ("waiting", "downstream")]
    )


def benchmarks() -> str:
    """Return the page of a made-up comparison with two cases and a chart of memory growth."""
    load = Load(requests=61_728, seconds=5.0, broken=0, failed=1, p50=1.23, p99=12.3, p999=123.4)
    cases = [GOALS[0].case, GOALS[-1].case]
    runs = [
        Run(variant.name, case.workload, case.connections, load, cpu, 0.1)
        for case in cases
        for variant in VARIANTS
        for cpu in (100.0, 110.0, 121.0)
        if case.workload in variant.workloads
    ]
    growth = MemoryGrowth([(number * 10_000, 150 + number % 3) for number in range(1, 21)], settled_after=50_000)
    memory = {variant.name: Memory(80.0, 12_345) for variant in VARIANTS}
    counts = {(run.workload, run.variant): 1 for run in runs}
    times, cold = Times(Starts(0.9, 1.2), 1.9, {SERVICE: 1.2}), ColdStarts(20, 0, 123_456, 9)
    return benchmarks_page(Results(runs, counts, memory, times, cold, growth))


@pytest.mark.needs_program("chromium", "apt-get install chromium")
def test_every_page_fits_a_phone_and_a_screen(service: Callable[[str], Path], tmp_path: Path) -> None:
    """No page scrolls sideways, no text is too small or leaves its cell, no word is torn, no numbers overlap."""
    must([service("full") / ".venv/bin/python", "-c", SERVICE_PAGES, tmp_path], service("full"))
    pages = {path.stem: path.read_text("utf-8") for path in tmp_path.glob("*.html")}
    pages |= {"lab": lab(), "benchmarks": benchmarks()}
    frames = "".join(
        f'<iframe title="{name} at {width}" style="width:{width}px; border:0" srcdoc="{escape(text)}"></iframe>'
        for name, text in pages.items()
        for width in WIDTHS
    )
    script = LOOK.replace("LEAST_TEXT_PIXELS", str(LEAST_TEXT_PIXELS))
    look = tmp_path / "look.html"
    look.write_text(f"<!doctype html><meta charset=utf-8><body>{frames}<script>{script}</script>", "utf-8")

    arguments = (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        f"--user-data-dir={tmp_path}/profile",
        "--dump-dom",
    )
    written = must(["chromium", *arguments, look.as_uri()], tmp_path)

    found = json.loads(unescape(re.findall(r"<body>(\[.*\])</body>", written, re.DOTALL)[0]))
    assert len(found) == len(WIDTHS) * len(pages) == 21
    assert all(page.pop("texts") > 20 for page in found)
    clean = {"scrolls": False, "wide": [], "cut": [], "spilling": [], "small": [], "overlapping": [], "torn": []}
    assert [page for page in found if page != {"page": page["page"], **clean}] == []
