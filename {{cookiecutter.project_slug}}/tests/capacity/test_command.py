"""The command: the plan of this environment or of another one, and one sentence when the question is wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.capacity.__main__ import PICTURE, main
from tests.databases import ROOT

URL = "postgresql://app:secret@127.0.0.1:1/none"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment with two workers, away from the person's `.env`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("WEB_CONCURRENCY", "2")


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    main(arguments)
    return capsys.readouterr().out


def test_the_plan_comes_with_its_chart_and_the_way_to_a_picture(capsys: pytest.CaptureFixture[str]) -> None:
    text = asked(capsys)

    assert text.startswith("One copy\n")
    assert "| the limit of 90" in text
    assert text.endswith(f"\n{PICTURE}\n")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (["WEB_CONCURRENCY=4", "REPLICAS=2"], {"workers": 4, "replicas": 2, "pool_size": 4}),
        (["CPUS=8"], {"cpus": 8, "workers": 2, "processes": 3}),
        (["WEB_CONCURRENCY=", "CPUS=3"], {"workers": 3}),
        (["REPLICAS_SURGE=25%", "REPLICAS=4"], {"surge": 1, "copies": 5}),
        (["DATABASE_PGBOUNCER_CONNECTIONS=7"], {"pgbouncer_connections": 7, "pool_size": 7, "server_connections": 7}),
        (["DATABASE_POOL_WAIT_SECONDS=0.5"], {"database_wait_seconds": 0.5}),
        (["FAMILIES__OTHERS__RUNNING=3"], {"running": 100, "waiting": 200}),
        # {% if cookiecutter.example == "yes" %}
        (["DOWNSTREAMS__RATES__CONCURRENCY=3"], {"downstreams": {"rates": 3}}),
        # {% endif %}
    ],
)
def test_what_if_wins_over_the_environment(
    capsys: pytest.CaptureFixture[str], changes: list[str], expected: dict[str, object]
) -> None:
    plan = json.loads(asked(capsys, "--json", "--what-if", *changes))

    assert {name: plan[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            "REPLICA=6",
            "--what-if takes NAME=VALUE, and not 'REPLICA=6'; the names are CPUS, WEB_CONCURRENCY, REPLICAS, ",
        ),
        ("REPLICAS", "--what-if takes NAME=VALUE, and not 'REPLICAS'; "),
        ("DATABASE_URL=x", "--what-if takes NAME=VALUE, and not 'DATABASE_URL=x'; "),
        ("REPLICAS=many", "--what-if REPLICAS: Input should be a valid integer"),
        ("REPLICAS=0", "--what-if REPLICAS: Input should be greater than or equal to 1."),
        ("REPLICAS_SURGE=half", "--what-if REPLICAS_SURGE: String should match pattern"),
        ("CPUS=no", "--what-if CPUS: write a number from 1."),
        ("REPLICAS=90", "No plan fits: 2 workers x (90 + 90 rolling out) copies = 360 processes need 2 each "),
    ],
)
def test_a_wrong_question_is_one_sentence(change: str, sentence: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--what-if", change])

    assert str(end.value).startswith(sentence)
    assert "\n" not in str(end.value)


def test_it_runs_as_a_module_and_ends_in_one_line_without_a_traceback() -> None:
    command = [sys.executable, "-m", "app.capacity", "--what-if", "REPLICAS=90"]
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "DATABASE_URL": URL, "WEB_CONCURRENCY": "2"}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False, timeout=30)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("No plan fits: ")
    assert done.stderr.count("\n") == 1
