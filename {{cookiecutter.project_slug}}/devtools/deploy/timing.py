"""Rules about time in the manifests: a pod's termination, the probes, and the pace of a rolling update."""

from collections.abc import Iterator

from app.readiness.readiness import CACHE_SECONDS, TIMEOUT_SECONDS
from app.settings.service import Settings
from devtools.deploy.manifests import Manifests, Object, containers, main_container, named, pod
from devtools.deploy.quantities import duration_seconds

ENDPOINT_SECONDS = 5
"""Seconds for which Kubernetes may still send requests to a terminating pod."""

MARGIN_SECONDS = 5
"""Seconds between the end of gunicorn's graceful shutdown and SIGKILL, for the container's own exit."""

WORKER_MARGIN_SECONDS = 20
"""Seconds a job worker may need after JOBS__STOP_SECONDS: 10 for interrupted jobs, 5 to close its pool, 5 spare."""

BLOCKED_SECONDS = 30
"""gunicorn's `timeout`, in seconds: a worker whose event loop is blocked for longer is replaced."""

LIVE, READY = "/health/live", "/health/ready"


def web_end(web: Object, settings: Settings) -> Iterator[str]:
    """Yield a sentence for each step of a web pod's shutdown that does not fit into the grace period."""
    grace, sleep = pod(web).get("terminationGracePeriodSeconds", 30), _pre_stop(web)
    need = sleep + settings.graceful_shutdown_seconds + MARGIN_SECONDS
    if grace < need:
        yield (
            f"{named(web)}: a grace period of {grace} s is less than {need} s: preStop {sleep} + "
            f"GRACEFUL_SHUTDOWN_SECONDS {settings.graceful_shutdown_seconds} + {MARGIN_SECONDS}."
        )
    if grace != settings.termination_grace_seconds:
        yield (
            f"{named(web)}: terminationGracePeriodSeconds is {grace}, but TERMINATION_GRACE_SECONDS is "
            f"{settings.termination_grace_seconds:g}: make both the same."
        )
    if sleep + settings.drain_seconds < ENDPOINT_SECONDS:
        yield (
            f"{named(web)}: DRAIN_SECONDS and preStop are {sleep + settings.drain_seconds:g} s together, and requests "
            f"may come for {ENDPOINT_SECONDS} s after SIGTERM."
        )


def _pre_stop(workload: Object) -> int:
    hooks = (found.get("lifecycle", {}).get("preStop", {}) for found in containers(workload))
    return max((hook.get("sleep", {}).get("seconds", 0) for hook in hooks), default=0)


def worker_end(worker: Object, settings: Settings) -> Iterator[str]:
    """Yield a sentence when a job worker would be killed before it has released its jobs."""
    jobs = getattr(settings, "jobs", None)  # only a service with job workers has these settings
    if jobs is None:
        return
    grace, need = pod(worker).get("terminationGracePeriodSeconds", 30), jobs.stop_seconds
    if grace < need + WORKER_MARGIN_SECONDS:
        yield (
            f"{named(worker)}: a grace period of {grace} s is less than JOBS__STOP_SECONDS {need:g} + "
            f"{WORKER_MARGIN_SECONDS}."
        )
    if not jobs.health_file or "livenessProbe" not in main_container(worker):
        yield f"{named(worker)}: it needs JOBS__HEALTH_FILE and a livenessProbe that compares the age of the file."


def probes(web: Object, settings: Settings) -> Iterator[str]:
    """Yield a sentence for each probe of the web pods with a wrong path, or with a too short or too long interval."""
    container = main_container(web)
    found = {name: container.get(f"{name}Probe") for name in ("startup", "liveness", "readiness")}
    for name, probe in found.items():
        if not probe:
            yield f"{named(web)}: it needs a {name}Probe."
        elif (path := probe.get("httpGet", {}).get("path")) != (READY if name == "readiness" else LIVE):
            yield f"{named(web)}: {name}Probe asks {path}; readiness asks {READY}, the others ask {LIVE}."
        elif min(_numbers(probe)) < 1:
            yield f"{named(web)}: a number of {name}Probe is less than 1, which Kubernetes refuses."
    if all(found.values()):
        yield from _readiness(named(web), found["readiness"] or {}, settings)
        yield from _liveness(named(web), found["liveness"] or {})
        yield from _pace(web, found["startup"] or {}, found["readiness"] or {})


def _numbers(probe: Object) -> tuple[int, int, int]:
    """Return period, timeout and failure threshold of a probe; missing numbers are the defaults of Kubernetes."""
    return probe.get("periodSeconds", 10), probe.get("timeoutSeconds", 1), probe.get("failureThreshold", 3)


def _readiness(place: str, probe: Object, settings: Settings) -> Iterator[str]:
    period, timeout, failures = _numbers(probe)
    if not TIMEOUT_SECONDS < timeout <= period:
        yield (
            f"{place}: readinessProbe needs {TIMEOUT_SECONDS:g} < timeoutSeconds <= periodSeconds, as the service asks "
            f"its database for {TIMEOUT_SECONDS:g} s, and has {timeout} and {period}."
        )
    if period < CACHE_SECONDS:
        yield f"{place}: readinessProbe asks every {period} s, and the answer changes every {CACHE_SECONDS:g} s."
    if failures < 2:  # noqa: PLR2004 - the message below gives the reason
        yield f"{place}: readinessProbe needs 2 failures or more, else one slow answer takes a pod out."
    if period * failures > settings.drain_seconds:
        yield (
            f"{place}: readinessProbe notices after {period} x {failures} s, later than DRAIN_SECONDS "
            f"{settings.drain_seconds:g}."
        )


def _liveness(place: str, probe: Object) -> Iterator[str]:
    period, timeout, failures = _numbers(probe)
    if not BLOCKED_SECONDS <= period * failures < 2 * BLOCKED_SECONDS:
        yield (
            f"{place}: livenessProbe restarts the pod after {period} x {failures} s; gunicorn replaces a blocked "
            f"worker after {BLOCKED_SECONDS} s, so choose from {BLOCKED_SECONDS} to less than {2 * BLOCKED_SECONDS}."
        )
    if 2 * timeout > period:
        yield f"{place}: livenessProbe waits {timeout} s, more than half of its period of {period} s."


def _pace(web: Object, startup: Object, readiness: Object) -> Iterator[str]:
    """Yield a sentence if a slow start fails the rolling update, or minReadySeconds is too short to see a failure."""
    period, _, failures = _numbers(startup)
    settled, deadline = web["spec"].get("minReadySeconds", 0), web["spec"].get("progressDeadlineSeconds", 600)
    if period * failures + settled >= deadline:
        yield (
            f"{named(web)}: a pod may take {period} x {failures} s to start and {settled} s to count, not less than "
            f"progressDeadlineSeconds {deadline}."
        )
    period, _, failures = _numbers(readiness)
    if settled < period * failures:
        yield (
            f"{named(web)}: minReadySeconds {settled} is less than {period} x {failures} s, in which readinessProbe "
            "notices a failure: the update would go on over pods that fail."
        )


def scrapes(manifests: Manifests) -> Iterator[str]:
    """Yield a sentence for a ServiceMonitor that scrapes too seldom for the shortest alert."""
    groups = [group for found in manifests.of("PrometheusRule") for group in found["spec"]["groups"]]
    rules = [rule for group in groups for rule in group["rules"]]
    shortest = min((duration_seconds(rule["for"]) for rule in rules if "for" in rule), default=60.0)
    for monitor in manifests.of("ServiceMonitor"):
        for endpoint in monitor["spec"]["endpoints"]:
            if 2 * duration_seconds(endpoint.get("interval", "30s")) > shortest:
                yield (
                    f"{named(monitor)}: an interval of {endpoint.get('interval', '30s')} is too long for alerts with "
                    f"`for: {shortest:g}s`, which need two scrapes."
                )
