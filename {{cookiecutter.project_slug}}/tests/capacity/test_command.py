"""`python -m devtools.capacity` prints the capacity plan of the environment's settings; --what-if changes a setting."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from devtools.capacity.__main__ import main
from tests.databases import ROOT

URL = "postgresql://app:secret@127.0.0.1:1/none"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set an environment with two workers, in an empty folder: a developer's `.env` must not change the plan."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("WEB_CONCURRENCY", "2")
    monkeypatch.setenv("JOBS__WORKERS", "0")  # the expected sums count connections of web processes, not of job workers


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    main(arguments)
    return capsys.readouterr().out


def test_the_plan_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys)

    assert text.startswith("One replica\n")
    assert text.splitlines()[-1].startswith("  server's limit ")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (["WEB_CONCURRENCY=4", "REPLICAS=2"], {"workers": 4, "replicas": 2, "pool_size": 4}),
        (["CPUS=8"], {"cpus": 8, "workers": 2, "spare_cpus": 3}),
        (["WEB_CONCURRENCY=", "CPUS=3"], {"workers": 3}),
        (["REPLICAS_SURGE=25%", "REPLICAS=4"], {"surge": 1, "rolling_replicas": 5}),
        (
            ["DATABASE_PGBOUNCER_CONNECTIONS=7"],
            {"database_pgbouncer_connections": 7, "pool_size": 7, "server_connections": 7},
        ),
        (["DATABASE_QUEUE_TIMEOUT_SECONDS=0.5"], {"database_queue_timeout_seconds": 0.5}),
        (["ROUTE_GROUPS__OTHERS__MAX_CONCURRENT=3"], {"max_concurrent": 100, "max_queue": 200}),
    ],
)
def test_what_if_wins_over_the_environment(
    capsys: pytest.CaptureFixture[str], changes: list[str], expected: dict[str, object]
) -> None:
    plan = json.loads(printed(capsys, "--json", "--what-if", *changes))

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
        ("REPLICAS=90", "No plan fits: 2 workers x (90 + 90 rolling out) replicas = 360 processes need 2 each "),
    ],
)
def test_a_wrong_argument_is_answered_with_a_sentence(change: str, sentence: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--what-if", change])

    assert str(end.value).startswith(sentence)
    assert "\n" not in str(end.value)


def test_a_plan_that_does_not_fit_ends_the_command_with_a_line_and_without_a_traceback() -> None:
    command = [sys.executable, "-m", "devtools.capacity", "--what-if", "REPLICAS=90"]
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "DATABASE_URL": URL, "WEB_CONCURRENCY": "2"}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("No plan fits: ")
    assert done.stderr.count("\n") == 1
