"""Plants faults in rendered Kubernetes manifests, for tests: each fault is a change of one object."""

import copy
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from devtools.deploy.manifests import Manifests, Object, render

Fault = Callable[[list[Object]], None]
Step = str | int

REMOVED = object()
PROD = Path("deploy/kubernetes/overlays/prod")


@cache
def rendered() -> Manifests:
    """Return the objects of the production overlay, rendered once and cached."""
    return render(PROD)


@cache
def behind_pgbouncer() -> Manifests:
    """Return the objects of the production overlay with PgBouncer, by enabling two commented-out lines."""
    with tempfile.TemporaryDirectory() as folder:
        copied = shutil.copytree(PROD.parents[1], Path(folder) / "kubernetes") / PROD.relative_to(PROD.parents[1])
        overlay = copied / "kustomization.yaml"
        text = overlay.read_text("utf-8")
        for line in ("components:\n", "  - ../../components/pgbouncer\n"):
            assert f"# {line}" in text
            text = text.replace(f"# {line}", line)
        overlay.write_text(text, "utf-8")
        return render(copied)


def with_fault(*faults: Fault, of: Callable[[], Manifests] = rendered) -> Manifests:
    """Return the objects of the production overlay, or of a different overlay, with these faults planted."""
    objects = copy.deepcopy(list(of().objects))
    for fault in faults:
        fault(objects)
    return Manifests(tuple(objects))


def put(name: str, path: str, value: object) -> Fault:
    """Return a fault that sets one value of an object, as in `put("Deployment/web", "spec.replicas", 3)`.

    Only the part of an object's name before the first hyphen is compared. A number in the path is a list index. The
    value `REMOVED` removes the key.
    """
    kind, start = name.partition("-")[0].split("/")
    steps = [int(step) if step.isdecimal() else step.replace("~", ".") for step in path.split(".")]

    def change(objects: list[Object]) -> None:
        (found,) = (o for o in objects if o["kind"] == kind and o["metadata"]["name"].split("-")[0] == start)
        put_at(found, steps, value)

    return change


def put_at(found: Any, steps: list[Step], value: object) -> None:  # noqa: ANN401 - `found` is a tree of parsed YAML
    """Set or remove a value in a tree, and create missing mappings on its path."""
    for step in steps[:-1]:
        found = found.setdefault(step, {}) if isinstance(found, dict) else found[step]
    if value is REMOVED:
        del found[steps[-1]]
    elif isinstance(found, list) and steps[-1] == len(found):
        found.append(value)
    else:
        found[steps[-1]] = value


def drop(name: str) -> Fault:
    """Return a fault that removes a Kubernetes object from the manifests."""
    kind, start = name.partition("-")[0].split("/")

    def change(objects: list[Object]) -> None:
        (found,) = (o for o in objects if o["kind"] == kind and o["metadata"]["name"].split("-")[0] == start)
        objects.remove(found)

    return change


def add(found: Object) -> Fault:
    """Return a fault that adds a Kubernetes object, which the manifests should not have."""
    return lambda objects: objects.append(found)


def leaves(found: object, path: tuple[Step, ...] = ()) -> Iterator[tuple[tuple[Step, ...], object]]:
    """Yield each leaf value of a tree of mappings and lists, and the path of the value."""
    if isinstance(found, dict):
        for key, inner in found.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(found, list):
        for place, inner in enumerate(found):
            yield from leaves(inner, (*path, place))
    else:
        yield path, found
