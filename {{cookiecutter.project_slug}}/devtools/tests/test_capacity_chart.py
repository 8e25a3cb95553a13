"""The page of the capacity chart: title, lines and table show the numbers of the capacity plan."""

import re
from pathlib import Path
from typing import Any

import pytest

from app.capacity.from_settings import plan_for
from app.settings.service import Settings
from devtools.capacity.chart import draw, main, page, table
from devtools.capacity.points import points, range_of
from devtools.drawing.charts import Figure

NO_JOBS: dict[str, Any] = {"jobs": {"workers": 0}} if "jobs" in Settings.model_fields else {}
"""Settings without job workers: the expected numbers count web processes only."""


def settings(**changes: Any) -> Settings:  # noqa: ANN401 - Any, as settings have several types
    url = "postgresql://nobody@127.0.0.1:1/none"
    return Settings(_env_file=None, database_url=url, web_concurrency=2, **NO_JOBS, **changes)


def figure_of(given: Settings) -> Figure:
    now = plan_for(given, cpus=2)
    return draw(points(given, cpus=2, replicas=range_of(now.replicas)), now)


def heights(figure: Figure, series: str) -> list[float]:
    """Return the heights of the points of a chart's line above the limit line, in SVG units."""
    limit = float(re.findall(r'class="line limit" d="M[\d.]+ ([\d.]+)', figure.drawing)[0])
    (line,) = re.findall(rf'class="line {series}" d="([^"]+)"', figure.drawing)
    return [limit - float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", line.replace(" L", "L"))]


def test_the_lines_are_the_plan_and_what_happens_without_one() -> None:
    given = settings()
    figure, now = figure_of(given), plan_for(given, cpus=2)
    rows = table(points(given, cpus=2, replicas=range_of(now.replicas)), now).rows

    connections = [44, 88, 84, 80, 80, 72, 84, 64, 72, 80, 88]
    assert [row[2] for row in rows] == [*map(str, connections), "refused"]
    assert [row[3] for row in rows][:3] == ["44", "88", "132"]
    assert rows[0][:2] == ("1 (now)", str(now.pool_size))
    assert figure.caption == "Up to 11 replicas fit below the limit of 90; now 1, with 44"
    unit = heights(figure, "planned")[0] / (44 - 90)
    assert heights(figure, "planned") == pytest.approx([unit * (number - 90) for number in connections], abs=0.11)
    assert heights(figure, "unchanged")[:2] == heights(figure, "planned")[:2]
    assert figure.legend["refused"] == "from 12 on no plan fits"


def test_behind_pgbouncer_the_limit_is_its_own() -> None:
    given = settings(replicas=5, database_pgbouncer_connections=40, database_pgbouncer_max_client_conn=300)

    figure = figure_of(given)

    assert figure.up == "client connections of PgBouncer for the database"
    assert (figure.legend["limit"], figure.legend["server"]) == ("limit: 300", "to the server: 40")
    assert figure.caption.endswith(f"now 5, with {plan_for(given, cpus=2).peak_connections}")
    assert "reserve" not in figure.legend


def test_the_chart_counts_the_connections_of_job_workers() -> None:
    given = Settings(_env_file=None, database_url="postgresql://nobody@127.0.0.1:1/none", web_concurrency=2)
    now = plan_for(given, cpus=2)
    shown = points(given, cpus=2, replicas=range_of(now.replicas))

    assert draw(shown, now).caption.endswith(f"now 1, with {now.server_connections}")
    assert shown[0].unchanged == now.server_connections
    assert all(point.plan.server_connections <= now.connection_limit for point in shown if point.plan)


def test_the_page_is_written_and_the_plan_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    file = tmp_path / "new" / "plan.html"

    assert main(["--page", str(file), "--what-if", "WEB_CONCURRENCY=3"]) == 0

    printed, written = capsys.readouterr().out, file.read_text("utf-8")
    assert "workers                     3 " in printed
    assert "| the limit of 90" in printed
    assert printed.endswith(f"\nthe same as a page: {file.as_uri()}\n")
    assert "workers                     3 " in written
    assert "<b>" not in page(settings(service_name="<b>"), cpus=2)


def test_a_page_that_cannot_be_written_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")

    with pytest.raises(SystemExit) as end:
        main(["--page", str(tmp_path)])

    assert end.value.code == f"{tmp_path} cannot be written: Is a directory."
