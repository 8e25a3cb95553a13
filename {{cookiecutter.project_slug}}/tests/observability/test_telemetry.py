"""Tests of the start with and without traces: off, no package for traces is imported; on, a missing one is named."""

import os
import subprocess
import sys

from tests.databases import ROOT

OFF = """
import sys
from app.main import app
print([name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter", "google"))])
"""
WITHOUT_PACKAGES = """
import sys
sys.modules["opentelemetry.sdk"] = None
sys.modules["opentelemetry.exporter"] = None
from app.main import app
"""


def start(program: str, **variables: str) -> subprocess.CompletedProcess[str]:
    settings = {"DATABASE_URL": "postgresql://nobody:nothing@127.0.0.1:1/none"} | variables
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, check=False)


def test_without_a_collector_no_package_for_traces_is_imported() -> None:
    assert start(OFF).stdout == "[]\n"


def test_missing_packages_stop_the_start_with_one_sentence() -> None:
    done = start(WITHOUT_PACKAGES, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4318")

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "uv sync --extra otel" in done.stderr
