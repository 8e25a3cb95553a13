"""Exporter: serves metrics, verbose readiness and the status page on the management port.

Under gunicorn it is a process of its own, a child of the master: it answers while the event loops of all workers are
blocked, when metrics are needed most. Without gunicorn a thread of the process that serves runs it.
"""

import json
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Event, Lock
from time import time
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import structlog
from prometheus_client import CollectorRegistry, Metric, make_wsgi_app, start_http_server
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from app.observability import logs
from app.observability.status_page import StatusPage

STALE_SECONDS = 15.0
"""The age, in seconds, from which on a sample of a process counts as not ready: the event loop must be blocked."""

TICK_SECONDS, RETRY_SECONDS = 0.5, 10.0
"""Seconds between two looks for ended processes, and between two attempts to listen on a taken port."""

Tick = Callable[[bool], object]

HEADERS = [("Cache-Control", "no-store"), ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")]

log = structlog.get_logger("exporter")


class MetricsFolder(Collector):
    """The metrics of all workers of a gunicorn, each of which has a file of each kind in one folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()  # a scrape while files are added up would count them twice

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of all workers, added up."""
        with self._lock:
            files = [str(file) for file in self._path.glob("*.db") if file.stat().st_size]  # a new file is empty
            merged: Iterable[Metric] = MultiProcessCollector.merge(files)
            return merged

    def sweep(self) -> None:
        """Add up the counters of ended workers in one file of each kind, and remove their gauges.

        A counter must never decrease, so it outlives its process; without the sum each restart would leave files.
        """
        with self._lock:
            for file in self._path.glob("[ch]*_[1-9]*.db"):  # counters and histograms; process 0 stands for the sum
                kind, _, pid = file.stem.partition("_")
                if _is_alive(int(pid)):
                    continue
                mark_process_dead(int(pid), str(self._path))
                total = MmapedDict(str(file.with_name(f"{kind}_0.db")))
                for key, value, _timestamp, _position in MmapedDict.read_all_values_from_file(str(file)):
                    total.write_value(key, total.read_value(key)[0] + value, 0.0)
                total.close()
                file.unlink()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True


def readiness_of(collected: Iterable[Metric], now: float) -> dict[str, Any]:
    """Return verbose readiness: what each process reported last, the age of that, and whether all are ready."""
    found: dict[str, dict[str, Any]] = defaultdict(lambda: {"reasons": [], "age_seconds": 0.0})
    for sample in (sample for metric in collected for sample in metric.samples):
        process = found[sample.labels.get("pid", "this")] if sample.name.startswith("app_process") else {}
        if sample.name == "app_process_sampled_timestamp_seconds":
            process["age_seconds"] = round(now - sample.value, 1)
        elif sample.name == "app_process_not_ready" and sample.value:
            process["reasons"].append(sample.labels["reason"])
    ready = all(not one["reasons"] and one["age_seconds"] < STALE_SECONDS for one in found.values())
    return {"status": "ready" if found and ready else "not ready", "processes": found}


def pages(registry: Collector) -> WSGIApplication:
    """Return the application of the management port."""
    metrics, page = make_wsgi_app(registry), StatusPage()

    def answer(request: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if request["PATH_INFO"] == "/metrics":
            scrape: Iterable[bytes] = metrics(request, start_response)
            return scrape
        collected, status, kind = list(registry.collect()), "200 OK", "text/html; charset=utf-8"
        readiness = readiness_of(collected, time())
        if request["PATH_INFO"] == "/":
            body = page.render(collected, readiness, time())
        elif request["PATH_INFO"] == "/health/ready":
            status = status if readiness["status"] == "ready" else "503 Service Unavailable"
            kind, body = "application/json", json.dumps(readiness)
        else:
            status, kind, body = "404 Not Found", "text/plain", "Here are /, /metrics and /health/ready.\n"
        start_response(status, [("Content-Type", kind), *HEADERS])
        return [body.encode()]

    return answer


def serve(address: tuple[str, int], registry: Collector, stopped: Event, tick: Tick = bool) -> None:
    """Serve the management port until `stopped` is set; wait for the port while a different process has it.

    `tick` is called every `TICK_SECONDS`, and is told whether this process has the port.
    """
    server = None
    while not stopped.wait(TICK_SECONDS):
        if server is None:
            try:
                server, _thread = start_http_server(address[1], address[0], registry)
                server.set_app(pages(registry))
            except OSError as error:
                log.warning("management port not served", host=address[0], port=address[1], reason=str(error))
                stopped.wait(RETRY_SECONDS)
        tick(server is not None)
    if server is not None:
        server.shutdown()
        server.server_close()


def main(folder: str, host: str, port: int, log_settings: dict[str, Any]) -> None:
    """Serve the folder of a gunicorn's metrics until the master has ended, whatever signals the process group gets."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    logs.configure(**log_settings)
    master, metrics, registry, stopped = os.getppid(), MetricsFolder(Path(folder)), CollectorRegistry(), Event()
    registry.register(metrics)

    def tick(has_port: bool) -> None:
        if has_port:  # else the exporter of an earlier master may be at the same files
            metrics.sweep()
        if os.getppid() != master:
            stopped.set()

    serve((host, port), registry, stopped, tick)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
