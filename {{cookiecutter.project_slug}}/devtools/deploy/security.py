"""Security rules for the manifests: the rights of pods, their images, secrets, and network policies."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from app.settings.service import Settings
from devtools.deploy.manifests import Manifests, Object, containers, named, pod, texts

USER = int((re.search(r"^USER (\d+)", Path("Dockerfile").read_text("utf-8"), re.MULTILINE) or ["", "10001"])[1])
"""The user id under which the image runs, from the Dockerfile."""

SECRET_NAME = re.compile(r"(PASSWORD|SECRET|TOKEN|API_?KEY|AUTHORIZATION|DATABASE_(DIRECT_)?URL)$")
SECRET_TEXT = re.compile(r"://[^/\s:@]+:[^/\s@]+@|AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY-----|gh[pousr]_\w{36}")
"""Matches secrets: a password in a URL, a key of AWS, a private key, a token of GitHub."""

RESTRICTED = "pod-security.kubernetes.io/enforce"
POSTGRES_PORTS, REDIS_PORT = {5432, 6432}, 6379


def pods(manifests: Manifests) -> Iterator[str]:
    """Yield a sentence for each privilege of a pod that the service does not need."""
    for workload in manifests.workloads:
        spec, place = pod(workload), named(workload)
        user = spec.get("securityContext", {})
        if user.get("runAsNonRoot") is not True:
            yield f"{place}: set runAsNonRoot to true."
        if (user.get("runAsUser"), user.get("runAsGroup")) != (USER, USER):
            yield f"{place}: runAsUser and runAsGroup have to be {USER}, as in the Dockerfile."
        if user.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{place}: set seccompProfile to RuntimeDefault."
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{place}: set automountServiceAccountToken to false: the service never asks the cluster."
        if spec.get("enableServiceLinks") is not False:
            yield f"{place}: set enableServiceLinks to false, else variables such as WEB_PORT are taken for settings."
        shared = [key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
        if shared or any("hostPath" in volume for volume in spec.get("volumes", ())):
            yield f"{place}: it shares {', '.join(shared) or 'a folder'} with its node."
        for container in containers(workload):
            yield from _container(f"{place}, container {container['name']}", container)


def _container(place: str, container: Object) -> Iterator[str]:
    rights = container.get("securityContext", {})
    if rights.get("allowPrivilegeEscalation") is not False or rights.get("privileged"):
        yield f"{place}: set allowPrivilegeEscalation to false, and do not set privileged."
    if rights.get("readOnlyRootFilesystem") is not True:
        yield f"{place}: set readOnlyRootFilesystem to true."
    if rights.get("capabilities") != {"drop": ["ALL"]}:
        yield f"{place}: drop ALL capabilities, and add none."
    if {"runAsUser", "runAsGroup", "runAsNonRoot"} & rights.keys():
        yield f"{place}: leave the user to the pod, as the container's own hides it."


def images(manifests: Manifests) -> Iterator[str]:
    """Yield a sentence for each image without an exact version, and for pods of different versions."""
    own = set()
    for workload in manifests.workloads:
        for container in containers(workload):
            image = container["image"]
            tag = image.rpartition("/")[2].partition(":")[2]
            if "@sha256:" not in image and tag in {"", "latest"}:
                yield f"{named(workload)}: the image {image} has no digest and no tag of a version."
            own |= {image} if container["name"] in {"web", "worker", "migrate"} else set()
    if len(own) > 1:
        yield f"Web, worker and migration are of different images: {', '.join(sorted(own))}."


def secrets(manifests: Manifests) -> Iterator[str]:
    """Yield a sentence for each secret written in the manifests; the sentence does not show the secret."""
    for found in manifests.of("Secret"):
        yield f"{named(found)}: manifests are in git, and name secrets only: create it in the cluster."
    for workload in manifests.workloads:
        items = [item for container in containers(workload) for item in container.get("env", ())]
        for name in (item["name"] for item in items if "value" in item and SECRET_NAME.search(item["name"])):
            yield f"{named(workload)}: take {name} from a Secret by secretKeyRef."
    for found in manifests.of("ConfigMap"):
        for name in filter(SECRET_NAME.search, found.get("data", {})):
            yield f"{named(found)}: {name} belongs into a Secret."
    for found in manifests.objects:
        if any(SECRET_TEXT.search(text) for text in texts(found)):
            yield f"{named(found)}: one of its texts is a password, a key or a token."


def network(manifests: Manifests, settings: Settings) -> Iterator[str]:
    """Yield a sentence for each network connection that is allowed but should not be, or needed but not allowed."""
    namespaces = manifests.of("Namespace")
    if not namespaces or any(n["metadata"].get("labels", {}).get(RESTRICTED) != "restricted" for n in namespaces):
        yield f"The Namespace needs the label {RESTRICTED}: restricted."
    policies = [found["spec"] for found in manifests.of("NetworkPolicy")]
    both = {"Ingress", "Egress"}
    if not any(spec.get("podSelector") == {} and set(spec.get("policyTypes", ())) == both for spec in policies):
        yield "There has to be a NetworkPolicy for all pods, with Ingress and Egress."
    coming = [rule for spec in policies for rule in spec.get("ingress", ())]
    yield from _incoming(coming, settings)
    leaving = [port for spec in policies for rule in spec.get("egress", ()) for port in rule.get("ports", ())]
    going = {(port.get("port"), port.get("protocol", "TCP")) for port in leaving}
    if not {(53, "UDP"), (53, "TCP")} <= going:
        yield "The NetworkPolicy has to let pods ask for names: port 53, UDP and TCP."
    if not going & {(port, "TCP") for port in POSTGRES_PORTS}:
        yield "The NetworkPolicy lets no pod reach PostgreSQL: port 5432."
    for port in sorted(_downstream_ports(settings)):
        if (port, "TCP") not in going:
            yield f"The NetworkPolicy lets no pod reach the downstreams at port {port}."
    known = {53, *POSTGRES_PORTS, *_downstream_ports(settings)}
    for port, _ in sorted(going, key=str):
        if port not in known:
            yield f"The NetworkPolicy opens port {port}, which neither names, nor PostgreSQL, nor a downstream has."


def _incoming(rules: list[Object], settings: Settings) -> Iterator[str]:
    opened = set()
    for rule in rules:
        if not rule.get("from") or not rule.get("ports"):
            yield "The NetworkPolicy lets everybody in: each rule of ingress needs `from` and `ports`."
        opened |= {port.get("port") for port in rule.get("ports", ())}
        mixed = {port.get("port") for port in rule.get("ports", ())}
        if len(mixed) > 1 and mixed & {"management", settings.management_port}:
            yield "The NetworkPolicy opens the management port to those who may use the service: give it its own rule."
    if not opened & {"http", settings.port}:
        yield "The NetworkPolicy lets nobody reach the port http."


def _downstream_ports(settings: Settings) -> set[int]:
    downstreams = getattr(settings, "downstreams", ())  # only a service that calls downstreams has these settings
    addresses = [urlsplit(str(downstream.base_url)) for _, downstream in downstreams if downstream.base_url]
    shared = {REDIS_PORT} if getattr(settings, "redis_url", None) else set()
    return shared | {address.port or (443 if address.scheme == "https" else 80) for address in addresses}
