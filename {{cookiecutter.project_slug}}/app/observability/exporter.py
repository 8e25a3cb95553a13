"""Exporter: serves metrics, verbose readiness (the state of each process) and a status page on the management port.

Under gunicorn the exporter is a separate process, which answers even while the event loops of all workers are blocked.
Without gunicorn, a thread of the serving process runs the exporter.
"""

import json
import shutil
import signal
import struct
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from select import select
from time import monotonic, sleep  # noqa: TID251 - the thread of the management port has no event loop
from typing import Any, TypeVar
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

from app.observability import logs
from app.observability.status_page import StatusPage

STALE_SECONDS = 15.0
"""A process whose last report is older than this, in seconds, counts as not ready: the event loop of the process is
probably blocked."""

RETRY_SECONDS = 5.0
"""Seconds between two attempts to listen on a port that the exporter of an earlier gunicorn still uses."""

TRIES, PAUSE_SECONDS = 50, 0.01
"""TRIES: the most attempts to read the metric files of all processes. PAUSE_SECONDS: the pause between two attempts."""

T = TypeVar("T")

log = structlog.get_logger("exporter")


def read_whole(read: Callable[[], T]) -> T:
    """Return the result of `read`, which reads the metric files, and repeat the call after an error.

    A read fails while a worker creates or deletes a metric file.
    """
    for _ in range(TRIES - 1):
        with suppress(OSError, struct.error):  # struct.error: a metric file that a worker has just created is empty
            return read()
        sleep(PAUSE_SECONDS)
    return read()


def readiness_of(collected: Iterable[Metric]) -> dict[str, Any]:
    """Return verbose readiness: each process's last report, the age of the report, and whether all processes are ready.

    The exporter can compute the age, because all processes of one machine share the monotonic clock.
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
    """Return the WSGI application of the management port: /metrics, /health/ready, and the status page elsewhere."""
    page = StatusPage()

    def answer(request: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if request["PATH_INFO"] == "/metrics":
            start_response("200 OK", [("Content-Type", CONTENT_TYPE_LATEST)])
            return [read_whole(lambda: generate_latest(registry))]
        collected = read_whole(lambda: list(registry.collect()))
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
    """Serve the metrics of gunicorn's processes until the master and all workers have ended, even by SIGKILL.

    The standard input of the exporter is a pipe, whose other end the master and all workers hold. When the last of
    these processes has ended, the pipe closes, and the exporter removes the folder of metric files and ends.
    """
    # ignored: a SIGTERM to all processes reaches the exporter too, but the exporter must outlive the workers
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logs.configure(**log_settings)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, folder)
    while not listen(host, port, registry) and not select([sys.stdin], [], [], RETRY_SECONDS)[0]:
        pass
    sys.stdin.read()
    shutil.rmtree(folder)
