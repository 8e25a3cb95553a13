"""The service refuses to start if a downstream's calls may last longer than the deadline of their request."""

import os
import subprocess
import sys

from tests.databases import ROOT


def test_a_call_that_may_outlast_the_deadline_of_its_request_stops_the_start(server_url: str) -> None:
    """The service refuses to start if a downstream's timeout is longer than the deadline of a request.

    Otherwise the deadline would end calls to a hanging downstream before the circuit breaker counts a failure.
    """
    variables = {"DATABASE_URL": server_url, "DOWNSTREAMS__RATES__TIMEOUT_SECONDS": "60"}
    started = subprocess.run(
        [sys.executable, "-c", "import app.main"],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )

    assert started.returncode == 1
    assert "DOWNSTREAMS__RATES__TIMEOUT_SECONDS must be less than ROUTE_GROUPS__" in started.stderr
    assert "Traceback" not in started.stderr
