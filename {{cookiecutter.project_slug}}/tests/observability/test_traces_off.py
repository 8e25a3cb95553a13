"""A service with traces switched off, and a service without the packages for traces, each in a separate process."""

import os
import subprocess
import sys

from tests.databases import ROOT

FOR_TRACES = {"google.protobuf", "opentelemetry.exporter", "opentelemetry.sdk.trace", "wrapt"}
"""Packages and modules that only traces need. The metrics module of the OpenTelemetry SDK is left out, as the Valkey
client imports that module by itself."""

LOADED = f"import sys, app.main; print(sorted({FOR_TRACES!r} & sys.modules.keys()))"
MISSING = "import sys; sys.modules['opentelemetry.exporter'] = None; import app.main"


def test_without_a_collector_no_package_for_traces_is_imported(shared_url: str) -> None:
    done = run_python(LOADED, DATABASE_URL=shared_url, LOG_LEVEL="error")

    assert done.stdout == "[]\n"


def test_a_collector_without_the_packages_is_refused_with_the_command(shared_url: str) -> None:
    done = run_python(MISSING, DATABASE_URL=shared_url, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")

    assert (done.returncode, "uv sync --extra otel" in done.stderr, "Traceback" in done.stderr) == (1, True, False)


def run_python(program: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program in the service's folder."""
    command, env = [sys.executable, "-c", program], os.environ | variables
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
