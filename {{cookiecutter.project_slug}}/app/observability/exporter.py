"""Exporter: serves metrics, verbose readiness and the status page on the management port.

Under gunicorn the exporter is a process of its own: it answers while the event loops of all workers are blocked, when
metrics are needed most. Elsewhere a thread of the process that serves runs it.
"""

import json
import shutil
import signal
import sys
from collections import defaultdict
from collections.abc import Iterable
from select import select
from time import monotonic
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

from app.observability import logs
from app.observability.status_page import StatusPage

STALE_SECONDS = 15.0
"""The age, in seconds, from which on the last report of a process counts as not ready: its event loop is blocked."""

RETRY_SECONDS = 5.0
"""Seconds between two attempts to listen on a port that an earlier master still has."""

log = structlog.get_logger("exporter")


def readiness_of(collected: Iterable[Metric]) -> dict[str, Any]:
    """Return verbose readiness: the last report of each process, the age of the report, and whether all are ready.

    Processes of one machine have the same monotonic clock.
    """
    found: dict[str, dict[str, Any]] = defaultdict(lambda: {"reasons": [], "age_seconds": 0.0})
    for sample in (sample for metric in collected for sample in metric.samples):
        if sample.name == "app_process_sampled_monotonic_seconds":
            found[sample.labels.get("pid", "0")]["age_seconds"] = round(monotonic() - sample.value, 1)
        elif sample.name == "app_process_not_ready" and sample.value:
            found[sample.labels.get("pid", "0")]["reasons"].append(sample.labels["reason"])
    ready = all(not one["reasons"] and one["age_seconds"] < STALE_SECONDS for one in found.values())
    return {"status": "ready" if found and ready else "not ready", "processes": found}


def pages(registry: CollectorRegistry) -> WSGIApplication:
    """Return the application of the management port."""
    page = StatusPage()

    def answer(request: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if request["PATH_INFO"] == "/metrics":
            start_response("200 OK", [("Content-Type", CONTENT_TYPE_LATEST)])
            return [generate_latest(registry)]
        collected = list(registry.collect())
        readiness = readiness_of(collected)
        if request["PATH_INFO"] == "/health/ready":
            status = "200 OK" if readiness["status"] == "ready" else "503 Service Unavailable"
            start_response(status, [("Content-Type", "application/json")])
            return [json.dumps(readiness).encode()]
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
        return [page.render(collected, readiness["status"]).encode()]

    return answer


def listen(host: str, port: int, registry: CollectorRegistry) -> bool:
    """Serve the management port in a thread until the end of the process; return False if the port is taken."""
    try:
        server, _thread = start_http_server(port, host, registry)
    except OSError as error:
        log.warning("management port not served", host=host, port=port, reason=str(error))
        return False
    server.set_app(pages(registry))
    return True


def main(folder: str, host: str, port: int, log_settings: dict[str, Any]) -> None:
    """Serve the metrics of a gunicorn until its master and all workers have ended, however they end.

    These hold the other end of the standard input. At the end the folder of the metrics is removed.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a stop of the process group: the workers are still draining
    logs.configure(**log_settings)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, folder)
    while not listen(host, port, registry) and not select([sys.stdin], [], [], RETRY_SECONDS)[0]:
        pass
    sys.stdin.read()
    shutil.rmtree(folder)
