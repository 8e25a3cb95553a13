"""The rendered Kubernetes manifests of an overlay: the objects, and the parts that the deployment check reads."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]

COMPONENT = "app.kubernetes.io/component"
KUBECTL = "kubectl is not there: `make setup` installs it with the packages of development."


@dataclass(frozen=True)
class Manifests:
    """All Kubernetes objects of an overlay."""

    objects: tuple[Object, ...]

    def of(self, kind: str) -> list[Object]:
        """Return the Kubernetes objects of a kind, such as Deployment."""
        return [found for found in self.objects if found["kind"] == kind]

    def named(self, kind: str, name: str) -> Object | None:
        """Return the Kubernetes object of a kind with this name, or None."""
        return next((found for found in self.of(kind) if found["metadata"]["name"] == name), None)

    @property
    def workloads(self) -> list[Object]:
        """The Kubernetes objects that start pods, such as Deployments and Jobs."""
        return [found for found in self.objects if found["kind"] in {"Deployment", "Job", "StatefulSet", "DaemonSet"}]

    def settings_map(self) -> Object | None:
        """Return the ConfigMap `settings`, whose name ends in a hash, or None."""
        maps = self.of("ConfigMap")
        return next((found for found in maps if found["metadata"]["name"].startswith("settings")), None)


def named(workload: Object) -> str:
    """Return kind and name of an object for messages, such as "Deployment web"."""
    return f"{workload['kind']} {workload['metadata']['name']}"


def pod(workload: Object) -> Object:
    """Return the specification of the pods of a workload."""
    found: Object = workload["spec"]["template"]["spec"]
    return found


def containers(workload: Object) -> list[Object]:
    """Return all containers of a workload's pods, init containers included."""
    found = pod(workload)
    return [*found.get("initContainers", ()), *found["containers"]]


def main_container(workload: Object) -> Object:
    """Return the container of a workload that runs the service: its name is the component; the others are sidecars."""
    found: list[Object] = pod(workload)["containers"]
    component = pod_labels(workload).get(COMPONENT)
    return next((container for container in found if container.get("name") == component), found[0])


def pod_labels(workload: Object) -> dict[str, str]:
    """Return the labels of the pods of a workload."""
    return dict(workload["spec"]["template"].get("metadata", {}).get("labels", {}))


def all_ports(workload: Object) -> dict[str, int]:
    """Return the ports of the containers of a workload, by name."""
    found = (port for container in containers(workload) for port in container.get("ports", ()))
    return {port.get("name", ""): port["containerPort"] for port in found}


def texts(value: object) -> Iterator[str]:
    """Yield each string inside nested dictionaries and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def parse(text: str, source: str) -> Manifests:
    """Return the Kubernetes objects in a text of YAML documents.

    Raises:
        SystemExit: the text is no YAML, or a document is no Kubernetes object.
    """
    try:
        objects = [found for found in yaml.safe_load_all(text) if found is not None]
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + 1
        raise SystemExit(f"{source} is no YAML, see its line {line}.") from None
    for found in objects:
        if not isinstance(found, dict) or not {"apiVersion", "kind", "metadata"} <= found.keys():
            raise SystemExit(f"{source} has a document without apiVersion, kind and metadata.")
    if not objects:
        raise SystemExit(f"{source} has no object.")
    return Manifests(tuple(objects))


def render(place: Path) -> Manifests:
    """Return the objects of an overlay's folder, rendered by kustomize, or of a file of rendered YAML.

    Raises:
        SystemExit: the overlay does not exist or does not render; the message says why.
    """
    if place.is_file():
        return parse(place.read_text("utf-8"), str(place))
    if not place.is_dir():
        raise SystemExit(f"There is no {place}: name a folder of deploy/kubernetes/overlays/, or a rendered file.")
    program = shutil.which("kubectl")
    if program is None:
        raise SystemExit(KUBECTL)
    done = subprocess.run([program, "kustomize", str(place)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{place} does not render: {done.stderr.strip().removeprefix('error: ')}")
    return parse(done.stdout, str(place))
