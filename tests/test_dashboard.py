"""A service's Grafana dashboard is the file that the dashboard's generator writes."""

from tests.programs import must
from tests.repository import SERVICE


def test_the_dashboard_is_what_its_generator_prints() -> None:
    printed = must(["uv", "run", "--quiet", "--script", "dashboard.py"], SERVICE / "ops")

    assert printed == (SERVICE / "ops" / "dashboard.json").read_text("utf-8")
