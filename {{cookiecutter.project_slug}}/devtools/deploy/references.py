"""Rules about names in the manifests: selectors, ports, volumes, and references between objects."""

from collections.abc import Iterator

from app.settings.service import Settings
from devtools.deploy.manifests import (
    COMPONENT,
    Manifests,
    Object,
    all_ports,
    containers,
    main_container,
    named,
    pod,
    pod_labels,
)

FIRST = "release-step"
"""The label of objects that are applied before the Deployments; see the README of deploy/kubernetes/."""

CURRENT = {
    "Deployment": "apps/v1",
    "Job": "batch/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "PodDisruptionBudget": "policy/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
}
"""The API version of each kind; Kubernetes has removed the earlier versions."""


def versions(manifests: Manifests) -> Iterator[str]:
    """Yield a sentence for each object whose API version Kubernetes no longer has."""
    for found in manifests.objects:
        current = CURRENT.get(found["kind"], found["apiVersion"])
        if found["apiVersion"] != current:
            yield f"{named(found)}: {found['apiVersion']} was removed from Kubernetes; write {current}."


def selectors(manifests: Manifests) -> Iterator[str]:
    """Yield a sentence for each selector that finds no pod, or the pods of two workloads."""
    for workload in manifests.workloads:
        yield from _own_pods(workload)
    for kind in ("Service", "PodDisruptionBudget"):
        for found in manifests.of(kind):
            spec = found["spec"].get("selector", {})
            wanted = spec.get("matchLabels", {}) if kind == "PodDisruptionBudget" else spec
            chosen = [w for w in manifests.workloads if wanted and wanted.items() <= pod_labels(w).items()]
            if len(chosen) != 1:
                what = " and ".join(map(named, chosen)) or "no pod"
                yield f"{named(found)}: its selector {wanted} finds {what}."
    for monitor in manifests.of("ServiceMonitor"):
        yield from _scraped(manifests, monitor)


def _own_pods(workload: Object) -> Iterator[str]:
    wanted = workload["spec"].get("selector", {}).get("matchLabels")
    if wanted is not None and not wanted.items() <= pod_labels(workload).items():
        yield f"{named(workload)}: its selector {wanted} does not find its own pods."
    for constraint in pod(workload).get("topologySpreadConstraints", ()):
        counted = constraint.get("labelSelector", {}).get("matchLabels", {})
        if not counted or not counted.items() <= pod_labels(workload).items():
            yield f"{named(workload)}: a topologySpreadConstraint counts other pods than its own."
        if constraint.get("maxSkew") != 1:
            yield f"{named(workload)}: maxSkew has to be 1, else two nodes may differ by more than one pod."


def _scraped(manifests: Manifests, monitor: Object) -> Iterator[str]:
    wanted = monitor["spec"].get("selector", {}).get("matchLabels", {})
    services = [s for s in manifests.of("Service") if wanted.items() <= s["metadata"].get("labels", {}).items()]
    ports_found = {port.get("name") for service in services for port in service["spec"]["ports"]}
    if len(services) != 1 or {endpoint.get("port") for endpoint in monitor["spec"]["endpoints"]} != ports_found:
        yield f"{named(monitor)}: it has to find one Service and name its port."


def ports(manifests: Manifests, web: Object, settings: Settings) -> Iterator[str]:
    """Yield a sentence for each port on which nothing listens, and for each public route to the management port."""
    found = all_ports(web)
    wanted_ports = ("http", "PORT", settings.port), ("management", "MANAGEMENT_PORT", settings.management_port)
    for name, variable, number in wanted_ports:
        if found.get(name) != number:
            yield f"{named(web)}: its port {name} is {found.get(name)}, but {variable} is {number}."
    for service in manifests.of("Service"):
        wanted = service["spec"].get("selector", {})
        targets = [w for w in manifests.workloads if wanted and wanted.items() <= pod_labels(w).items()]
        for port in service["spec"]["ports"]:
            yield from _target(service, port, targets)
            yield from _private(service, port, settings)


def _target(service: Object, port: Object, targets: list[Object]) -> Iterator[str]:
    target = port.get("targetPort", port["port"])
    for workload in targets:
        known = all_ports(workload)
        if target not in known and target not in known.values():
            yield f"{named(service)}: targetPort {target} is no port of {named(workload)}."


def _private(service: Object, port: Object, settings: Settings) -> Iterator[str]:
    if port.get("targetPort") not in {"management", settings.management_port}:
        return
    if port["port"] != settings.management_port:
        yield f"{named(service)}: the management port is {settings.management_port} and not {port['port']}."
    public = service["spec"].get("type", "ClusterIP") != "ClusterIP" or len(service["spec"]["ports"]) > 1
    if public or service["metadata"]["name"] == "web":
        yield f"{named(service)}: the management port is not for the public: give it a ClusterIP Service of its own."


def volumes(manifests: Manifests) -> Iterator[str]:
    """Yield a sentence for each missing volume, and for a volume mounted over /dev/shm, where heartbeats are."""
    for workload in manifests.workloads:
        known = {volume["name"] for volume in pod(workload).get("volumes", ())}
        for container in containers(workload):
            for mount in container.get("volumeMounts", ()):
                if mount["name"] not in known:
                    yield f"{named(workload)}: there is no volume {mount['name']} to mount at {mount['mountPath']}."
                if mount["mountPath"].startswith("/dev/shm"):  # noqa: S108 - a path in the container, no file of this machine
                    yield f"{named(workload)}: mount nothing at /dev/shm, where the heartbeats and the metrics are."


def release_steps(manifests: Manifests) -> Iterator[str]:
    """Yield a sentence for each fault in the order of a release: the Job `migrate` first, then Deployments."""
    jobs = manifests.of("Job")
    if [job["metadata"]["name"] for job in jobs] != ["migrate"]:
        yield "There has to be one Job `migrate`, which runs before the Deployments."
        return
    needed = [jobs[0], manifests.settings_map(), *manifests.of("Namespace"), *manifests.of("NetworkPolicy")]
    for found in needed:
        if found is not None and found["metadata"].get("labels", {}).get(FIRST) != "first":
            yield f"{named(found)}: it needs the label {FIRST}: first, as the migration needs it."
    if main_container(jobs[0]).get("command") != ["alembic", "upgrade", "head"]:
        yield f"{named(jobs[0])}: its command has to be alembic upgrade head."
    if pod(jobs[0]).get("restartPolicy") not in {"Never", "OnFailure"}:
        yield f"{named(jobs[0])}: restartPolicy has to be Never or OnFailure."
    for workload in manifests.of("Deployment"):
        if pod(workload).get("restartPolicy", "Always") != "Always":
            yield f"{named(workload)}: restartPolicy has to be Always."
        if pod(workload).get("initContainers"):
            yield f"{named(workload)}: migrations belong into the Job: each pod would run what an init container does."


def components(manifests: Manifests) -> dict[str, Object]:
    """Return the workloads by the value of their component label, such as `web`."""
    return {pod_labels(workload).get(COMPONENT, ""): workload for workload in manifests.workloads}
