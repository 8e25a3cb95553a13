"""Reads metrics from the management port of a running service, each time over a new connection and without a proxy."""

from urllib.request import ProxyHandler, build_opener

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

OPENER = build_opener(ProxyHandler({}))


def scraped(management: str) -> list[Sample]:
    """Return the Prometheus samples that `/metrics` shows at the URL of a management port."""
    text = OPENER.open(f"{management}/metrics", timeout=30).read().decode()
    return [sample for metric in text_string_to_metric_families(text) for sample in metric.samples]


def total(samples: list[Sample], name: str, /, **labels: str) -> float:
    """Return the sum of the samples with this name and these labels, or 0 without such a sample."""
    return sum(one.value for one in samples if one.name == name and labels.items() <= one.labels.items())
