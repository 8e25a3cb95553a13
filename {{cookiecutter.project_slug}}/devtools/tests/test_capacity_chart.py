"""The plan as a picture: the lines of the chart are the numbers of the plan, and a file is what its name says."""

from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes
from numpy import asarray

from app.capacity.plan import make_plan
from app.settings import Settings
from devtools.capacity_chart import draw, main


def settings(**changes: Any) -> Settings:  # noqa: ANN401 - any setting may be changed
    return Settings(_env_file=None, database_url="postgresql://nobody@127.0.0.1:1/none", web_concurrency=2, **changes)


def axes_of(given: Settings) -> Axes:
    (axes,) = draw(given, cpus=2).axes
    return axes


def lines_of(axes: Axes) -> dict[str, tuple[list[Any], list[Any]]]:
    """Return the points of each line, by the start of its name in the legend."""
    points = {str(line.get_label()).partition(":")[0]: asarray(line.get_data()) for line in axes.get_lines()}
    return {name: (x.tolist(), y.tolist()) for name, (x, y) in points.items()}


def test_the_lines_are_the_plan_and_what_happens_without_one() -> None:
    lines = lines_of(axes_of(settings()))

    assert lines["as planned"] == (list(range(1, 12)), [44, 88, 84, 80, 80, 72, 84, 64, 72, 80, 88])
    assert lines["REPLICAS stays 1"][1][:3] == [44, 88, 132]
    assert lines["limit"][1] == [90, 90]
    assert lines["now"] == ([1], [44])


def test_behind_pgbouncer_the_limit_is_its_own() -> None:
    given = settings(replicas=5, database_pgbouncer_connections=40, database_pgbouncer_max_client_conn=300)
    axes = axes_of(given)

    lines = lines_of(axes)
    assert axes.get_ylabel() == "PgBouncer's client connections"
    assert (lines["limit"][1], lines["to the server"][1]) == ([300, 300], [40, 40])
    assert lines["now"] == ([5], [make_plan(given, cpus=2).peak_connections])


@pytest.mark.parametrize(("suffix", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_a_picture_is_written_and_the_plan_printed(
    suffix: str, start: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    file = tmp_path / "plan"

    assert main([f"--{suffix}", str(file), "--what-if", "WEB_CONCURRENCY=3"]) == 0

    assert file.read_bytes().startswith(start)
    assert "workers                     3 " in capsys.readouterr().out


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    file = tmp_path / "missing" / "plan.svg"

    with pytest.raises(SystemExit) as end:
        main(["--svg", str(file)])

    assert end.value.code == f"{file} cannot be written: No such file or directory."
