"""The documents' pictures are the output of `make pictures`, and their numbers agree with the manifests."""

import itertools
import re
from html import unescape
from pathlib import Path

import pytest
import yaml

from drawing.frames import WIDTH
from pictures import replicas
from pictures.__main__ import PLACE, UPDATES, pictures
from pictures.request import stops
from pictures.rollout import Update, moments, peak
from tests.repository import ROOT, SERVICE

KUBERNETES = SERVICE / "deploy/kubernetes"


@pytest.mark.parametrize("name", pictures())
def test_a_picture_is_what_the_command_draws(name: str) -> None:
    assert (PLACE / name).read_text("utf-8") == pictures()[name]


def test_no_text_of_the_requests_way_is_cut_off() -> None:
    """In DejaVu Sans, the widest of the usual fonts, a letter of 9 px takes 4.8 px on average."""
    texts = re.findall(r'<text[^>]* x="(\d+)"[^>]*>([^<]+)<', pictures()["request.svg"])

    assert [text for x, text in texts if int(x) + 4.8 * len(unescape(text)) > WIDTH] == []


@pytest.mark.parametrize("name", UPDATES)
def test_no_column_of_an_update_ends_beyond_the_axis(name: str) -> None:
    drawing = pictures()[name]
    (axis,) = re.findall(r'class="axis" d="[^"]*H(\d+)"', drawing)
    columns = re.findall(r'<path class="column \w+" d="([^"]+)"', drawing)

    assert len(columns) == 3
    assert max(float(right) for column in columns for right in re.findall(r"H([\d.]+)", column)) <= float(axis)


def test_each_picture_is_shown_and_each_shown_picture_is_there() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    shown = {
        Path(link).name for page in pages for link in re.findall(r"!\[.+?\]\((.+?\.svg)\)", page.read_text("utf-8"))
    }

    assert shown == {path.name for path in PLACE.iterdir()} == set(pictures())


@pytest.mark.parametrize(("surge", "end"), [*itertools.product((1, 25, 50, 100), (0.5, 6, 30, 300))])
def test_an_update_never_has_more_than_twice_the_replicas(surge: int, end: float) -> None:
    peaks = {n: peak(Update(n, surge_percent=surge, end_seconds=end)) for n in (*range(1, 13), 50)}

    assert all(most <= 2 * n for n, most in peaks.items())


def test_an_update_with_the_default_surge_has_twice_the_replicas() -> None:
    """A rolling update with the default surge reaches twice the replicas, as terminating pods count too.

    Without terminating pods, the sum would be 8 for 6 replicas.
    """
    assert [peak(Update(n)) for n in (1, 3, 6, 50)] == [2, 6, 12, 100]


def test_an_update_always_has_all_replicas_and_ends_with_the_new_ones() -> None:
    seen = list(moments(Update(6)))

    assert min(moment.old + moment.new for moment in seen) == 6
    assert (seen[-1].old, seen[-1].new, seen[-1].terminating) == (0, 6, 0)


def test_the_numbers_of_the_chart_are_those_of_the_manifests() -> None:
    settings = dict(re.findall(r"^(\w+)=(\d+)$", (KUBERNETES / "base/settings.env").read_text(), re.MULTILINE))
    component = yaml.safe_load((KUBERNETES / "components/pgbouncer/kustomization.yaml").read_text())
    behind = dict(item.split("=") for item in component["configMapGenerator"][1]["literals"])

    assert (int(settings["WEB_CONCURRENCY"]), int(settings["DATABASE_POOL_LIMIT"])) == (replicas.WORKERS, replicas.POOL)
    assert int(settings["DATABASE_MAX_CONNECTIONS"]) - 10 == replicas.LIMIT
    assert int(behind["DATABASE_PGBOUNCER_CONNECTIONS"]) == replicas.BEHIND_PGBOUNCER
    assert int(behind["DATABASE_PGBOUNCER_MAX_CLIENT_CONN"]) == 2 * int(behind["REPLICAS"]) * replicas.PER_POD


def test_the_picture_of_a_request_has_each_stop_of_the_readme() -> None:
    assert len(stops()) > 20
    assert all((SERVICE / file).is_file() for file, _ in stops())
