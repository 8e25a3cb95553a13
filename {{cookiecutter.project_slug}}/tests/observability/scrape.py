"""Reads the metrics of a scrape."""

from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample


@dataclass(frozen=True, slots=True)
class Scrape:
    """The samples of a scrape."""

    samples: tuple[Sample, ...]

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of the samples with a name and these labels, 0 without such a sample."""
        return sum(one.value for one in self.samples if one.name == name and labels.items() <= one.labels.items())

    def value(self, name: str, **labels: str) -> float:
        """Return the value of the only sample with a name and these labels."""
        (found,) = [one for one in self.samples if one.name == name and labels.items() <= one.labels.items()]
        return float(found.value)

    def labels(self, name: str, label: str) -> set[str]:
        """Return all values of a label of the samples with a name."""
        return {found.labels[label] for found in self.samples if found.name == name}


def parsed(text: str) -> Scrape:
    """Return the samples of a response of `/metrics`."""
    return Scrape(tuple(sample for metric in text_string_to_metric_families(text) for sample in metric.samples))
