"""The defences of metrics: a scrape is answered while workers hang, and the counts of a killed worker are kept."""

from collections.abc import Mapping

from tests.faults.defences.defence import Defence

TESTS = "faults/test_metrics.py"

METRICS: Mapping[str, Defence] = {
    "exporter": Defence(
        "a scrape is answered while every worker is blocked",
        "app.observability.exporter:main",
        "null_context",
        f"{TESTS}::test_a_scrape_is_answered_while_every_worker_is_blocked",
    ),
    "numbered workers": Defence(
        "a killed worker leaves its counts, and neither gauges nor files",
        "app.settings.environment:metrics_folder",
        "do_nothing",
        f"{TESTS}::test_counts_never_fall_and_files_do_not_grow_while_workers_are_killed",
    ),
}
