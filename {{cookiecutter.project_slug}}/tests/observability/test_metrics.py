"""A client cannot create metric labels without bound, such as by unknown methods; the status page escapes labels."""

import subprocess
import sys

from prometheus_client import Metric

from app.observability.status_page import StatusPage
from tests.databases import ROOT

LABELS = """
from app.observability.metrics import MAX_TEXTS, bounded, requests, requests_of
for status in (200, 299, 999, None):
    for method in ("GET", "CANARY"):
        requests_of(method, None, status)(0.1)
(metric,) = requests.collect()
print(len({bounded(f"text {number}") for number in range(3 * MAX_TEXTS)}) - MAX_TEXTS, "created" in str(metric.samples))
print(*sorted({f"{s.labels['http_request_method']}:{s.labels['http_response_status_code']}" for s in metric.samples}))
"""
"""A Python program that counts metric labels. Each test runs the program in a new process, since the bound on label
texts holds for a whole process."""


def test_unknown_methods_statuses_and_texts_are_one_label_each() -> None:
    printed = subprocess.check_output([sys.executable, "-c", LABELS], cwd=ROOT, text=True).splitlines()

    assert printed == ["1 False", "GET: GET:200 GET:_OTHER _OTHER: _OTHER:200 _OTHER:_OTHER"]


def test_the_status_page_escapes_labels_and_shows_rates_errors_and_quantiles() -> None:
    page, metric = StatusPage(), Metric("http_server_request_duration_seconds", "Requests", "histogram")
    for status, count in (("200", 98), ("500", 2)):
        for bound, part in (("0.005", 0.5), ("0.1", 1), ("+Inf", 1)):
            labels = {"http_route": "<script>", "http_response_status_code": status, "le": bound}
            metric.add_sample("http_server_request_duration_seconds_bucket", labels, count * part)

    shown = page.render([metric], "ready")

    assert "<script>" not in shown
    assert "<td>&lt;script&gt;</td>" in shown
    assert "<td>2.0%</td><td>≤ 5 ms</td><td>≤ 100 ms</td>" in shown
