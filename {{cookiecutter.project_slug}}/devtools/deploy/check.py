"""Applies all rules of the deployment check to the Kubernetes manifests of an overlay."""

import json
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import yaml
from kubernetes_validate import SchemaNotFoundError, ValidationError, validate

from app.settings.service import Settings
from devtools.deploy import capacity, references, security, timing
from devtools.deploy.manifests import Manifests, Object, named
from devtools.deploy.pgbouncer import pgbouncer
from devtools.deploy.pod_settings import WrongSettingsError, settings_of

OLDEST, NEWEST = "1.33", "1.37"
"""The oldest and the newest version of Kubernetes whose schemas the manifests have to match."""

CUSTOM = {"ServiceMonitor", "PrometheusRule"}
"""Kinds of the Prometheus operator, whose schemas are not part of Kubernetes."""

ALERTS = Path("ops/alerts.yml")


def problems(manifests: Manifests) -> list[str]:
    """Return a sentence for each fault of the manifests; an empty list means that numbers and names fit together."""
    wrong = [*references.versions(manifests), *schemas(manifests)]
    if wrong:  # with a wrong API version or schema, the later rules would only report consequences
        return wrong
    parts = references.components(manifests)
    scalers = manifests.of("HorizontalPodAutoscaler")
    needed = {"Deployment with the component web": parts.get("web"), "HorizontalPodAutoscaler": scalers}
    missing = [f"There is no {what}." for what, found in needed.items() if not found]
    rules = chain(
        references.selectors(manifests),
        references.volumes(manifests),
        references.release_steps(manifests),
        security.pods(manifests),
        security.images(manifests),
        security.secrets(manifests),
        timing.scrapes(manifests),
        alerts(manifests),
        missing,
        () if missing else of_settings(manifests, parts, scalers[0]),
    )
    return list(dict.fromkeys(rules))


def of_settings(manifests: Manifests, parts: dict[str, Object], scaler: Object) -> Iterator[str]:
    """Yield a sentence for each fault in the settings of the pods, or between these settings and other manifests."""
    loaded: dict[str, Settings] = {}
    for name in parts.keys() & {"web", "worker", "migrate"}:
        try:
            loaded[name] = settings_of(manifests, parts[name])
        except WrongSettingsError as refusal:
            yield str(refusal)
    if "web" not in loaded:
        return
    web, settings, worker = parts["web"], loaded["web"], parts.get("worker")
    yield from capacity.connections(settings, web, worker, scaler)
    yield from capacity.resources(web, settings.web_concurrency or 1)
    yield from capacity.scaling(manifests, web, scaler)
    for name in parts.keys() - {"web"}:
        yield from capacity.resources(parts[name], 1)
    yield from timing.web_end(web, settings)
    yield from timing.probes(web, settings)
    if worker is not None and "worker" in loaded:
        yield from timing.worker_end(worker, loaded["worker"])
    if "pgbouncer" in parts:
        yield from pgbouncer(manifests, parts["pgbouncer"], settings)
    yield from references.ports(manifests, web, settings)
    yield from security.network(manifests, settings)


def schemas(manifests: Manifests) -> Iterator[str]:
    """Yield a sentence for each object that Kubernetes would refuse, or from which it would drop an unknown field."""
    for found in manifests.objects:
        if refusal := _refusal(json.dumps(found, default=str)):
            yield f"{named(found)}: {refusal}"


@cache
def _refusal(text: str) -> str:
    """Return why a version of Kubernetes refuses an object, or an empty text; cached, as each check is slow."""
    found: Object = json.loads(text)
    for version in (OLDEST, NEWEST):
        try:
            validate(found, version, strict=True)
        except SchemaNotFoundError:
            if found["kind"] not in CUSTOM:
                return f"Kubernetes {version} has no {found['kind']} of {found['apiVersion']}."
        except ValidationError as error:
            return f"Kubernetes {version} refuses it: {error}"
    return ""


def alerts(manifests: Manifests) -> Iterator[str]:
    """Yield a sentence when the manifests' alert rules differ from ops/alerts.yml."""
    for found in manifests.of("PrometheusRule"):
        if found["spec"] != _alerts():
            yield f"{named(found)}: its rules are not those of {ALERTS}: copy them."


@cache
def _alerts() -> Object:
    parsed: Object = yaml.safe_load(ALERTS.read_text("utf-8"))
    return parsed
