"""Each number of the manifests is halved and doubled: the check refuses each change that the table FREE lacks."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from devtools.deploy.check import problems
from devtools.deploy.manifests import Manifests
from devtools.tests.deploy.planting import behind_pgbouncer, leaves, put_at, rendered, with_fault

NUMBER = re.compile(r"(\d+)(%|m|Mi|s|)")
IN_A_TEXT = re.compile(r"(\w+) [=<] (\d+)$", re.MULTILINE)
"""Matches a number in a file such as pgbouncer.ini, or in a command."""

SURGE = "old and new pods of an update are at most twice as many, whatever the surge is"
HANGS = "a worker that hangs has lost its jobs to others already"
PACE = "only the pace of scaling: the connections are counted at the maximum"

FREE = {
    "Deployment/web spec.minReadySeconds doubled": "an update takes longer, and its deadline is checked",
    "Deployment/web spec.progressDeadlineSeconds doubled": "a stuck update is reported later, and nothing waits for it",
    "Deployment/web spec.strategy.rollingUpdate.maxSurge halved": SURGE,
    "Deployment/web spec.strategy.rollingUpdate.maxSurge doubled": SURGE,
    "Deployment/web startupProbe.failureThreshold halved": "a start takes a second or two, and 30 s are enough",
    "Deployment/web livenessProbe.timeoutSeconds halved": "three late answers in a row are needed",
    "Deployment/worker livenessProbe.exec.command.2 st_mtime halved": HANGS,
    "Deployment/worker livenessProbe.exec.command.2 st_mtime doubled": HANGS,
    "Deployment/worker livenessProbe.timeoutSeconds halved": "the probe reads the age of one file",
    "Deployment/worker livenessProbe.timeoutSeconds doubled": "the probe reads the age of one file",
    "Deployment/worker livenessProbe.periodSeconds halved": HANGS,
    "Deployment/worker livenessProbe.periodSeconds doubled": HANGS,
    "Deployment/worker livenessProbe.failureThreshold halved": HANGS,
    "Deployment/worker livenessProbe.failureThreshold doubled": HANGS,
    "Deployment/worker spec.template.spec.terminationGracePeriodSeconds doubled": "a worker ends as soon as it is done",
    "ConfigMap/settings DATABASE_MAX_CONNECTIONS doubled": "a pod compares it with the server when it starts",
    "HorizontalPodAutoscaler/web scaleUp.policies.0.value halved": PACE,
    "HorizontalPodAutoscaler/web scaleUp.policies.0.value doubled": PACE,
    "HorizontalPodAutoscaler/web scaleUp.policies.0.periodSeconds halved": PACE,
    "HorizontalPodAutoscaler/web scaleUp.policies.0.periodSeconds doubled": PACE,
    "HorizontalPodAutoscaler/web scaleDown.policies.0.value doubled": PACE,
    "HorizontalPodAutoscaler/web scaleDown.policies.0.periodSeconds halved": PACE,
    "HorizontalPodAutoscaler/web scaleDown.policies.0.periodSeconds doubled": PACE,
    "HorizontalPodAutoscaler/web scaleDown.stabilizationWindowSeconds halved": PACE,
    "HorizontalPodAutoscaler/web scaleDown.stabilizationWindowSeconds doubled": PACE,
    "Job/migrate spec.backoffLimit halved": "a migration is one transaction, and a lock lets one run at a time",
    "Job/migrate spec.backoffLimit doubled": "a migration is one transaction, and a lock lets one run at a time",
    "Job/migrate spec.activeDeadlineSeconds halved": "it depends on the size of the team's tables",
    "Job/migrate spec.activeDeadlineSeconds doubled": "it depends on the size of the team's tables",
    "Service/web spec.ports.0.port halved": "the number that clients write; the pods have port http",
    "Service/web spec.ports.0.port doubled": "the number that clients write; the pods have port http",
    "ServiceMonitor/web spec.endpoints.0.interval halved": "more samples than the alerts need",
}
"""The changes of manifest numbers that the deployment check accepts, each with the reason."""

ONE_IS_LEFT = "the other instance takes the new connections until the probe has noticed"

FREE_BEHIND_PGBOUNCER = FREE | {
    "HorizontalPodAutoscaler/web spec.minReplicas doubled": "more pods at rest: the connections count at the maximum",
    "Deployment/pgbouncer readinessProbe.periodSeconds halved": ONE_IS_LEFT,
    "Deployment/pgbouncer readinessProbe.periodSeconds doubled": ONE_IS_LEFT,
    "Deployment/pgbouncer spec.template.spec.terminationGracePeriodSeconds doubled": "an instance ends when it can",
}
"""The changes of manifest numbers that the deployment check accepts in the overlay with PgBouncer, with reasons."""

if not rendered().named("Deployment", "worker"):
    half = "ConfigMap/settings DATABASE_MAX_CONNECTIONS halved"
    FREE_BEHIND_PGBOUNCER[half] = "more than PgBouncer opens, as no stream has a connection of its own beside it"


@dataclass(frozen=True)
class Change:
    """A number of the rendered manifests, halved or doubled; `name` is the key of the change in FREE, if accepted."""

    of: Callable[[], Manifests]
    path: tuple[Any, ...]
    value: object
    name: str

    def problems(self) -> list[str]:
        """Return the faults that the deployment check finds in the manifests with this change."""
        return problems(with_fault(partial(put_at, steps=[*self.path], value=self.value), of=self.of))


def scaled(value: object, direction: str) -> object:
    """Return a number, with its unit, halved and rounded down, or doubled: half of 1 is 0."""
    match = NUMBER.fullmatch(str(value))
    assert match
    number, unit = int(match[1]), match[2]
    changed = number // 2 if direction == "halved" else 2 * number
    return changed if isinstance(value, int) else f"{changed}{unit}"


def numbers(value: object, direction: str) -> Iterator[tuple[str, object]]:
    """Yield a value with one number halved or doubled; in a text such as pgbouncer.ini, also the number's name."""
    if isinstance(value, bool):
        return
    if NUMBER.fullmatch(str(value)):
        yield "", scaled(value, direction)
    for found in IN_A_TEXT.finditer(str(value)):
        yield (
            f" {found[1]}",
            f"{found.string[: found.start(2)]}{scaled(found[2], direction)}{found.string[found.end(2) :]}",
        )


def named(item: dict[str, Any], path: tuple[Any, ...]) -> str:
    """Return the key of a manifest number in FREE, the accepted changes, without the parts that most paths share."""
    text = ".".join(map(str, path))
    for start in ("spec.template.spec.containers.0.", "spec.behavior.", "data."):
        text = text.removeprefix(start)
    return f"{item['kind']}/{item['metadata']['name'].split('-')[0]} {text}"


def changes(of: Callable[[], Manifests]) -> list[Change]:
    """Return a change for each number of the rendered manifests, halved and doubled."""
    return [
        Change(of, (place, *path), changed, f"{named(item, path)}{part} {direction}")
        for place, item in enumerate(of().objects)
        for path, value in leaves(item)
        for direction in ("halved", "doubled")
        for part, changed in numbers(value, direction)
        if changed != value
    ]


@pytest.mark.parametrize("change", changes(rendered), ids=lambda change: change.name)
def test_a_number_is_refused_or_free(change: Change) -> None:
    found = change.problems()

    assert (found == []) == (change.name in FREE), found


@pytest.mark.parametrize("change", changes(behind_pgbouncer), ids=lambda change: change.name)
def test_a_number_behind_pgbouncer_is_refused_or_free(change: Change) -> None:
    found = change.problems()

    assert (found == []) == (change.name in FREE_BEHIND_PGBOUNCER), found


@pytest.mark.parametrize(("of", "free"), [(rendered, FREE), (behind_pgbouncer, FREE_BEHIND_PGBOUNCER)])
def test_each_free_number_is_there(of: Callable[[], Manifests], free: dict[str, str]) -> None:
    there = {name for name in free if "worker" not in name or of().named("Deployment", "worker")}

    assert there <= {change.name for change in changes(of)}


def test_the_numbers_of_pgbouncer_are_among_them() -> None:
    found = {change.name for change in changes(behind_pgbouncer)}

    for name in ("listen_port", "default_pool_size", "max_client_conn"):
        assert f"ConfigMap/pgbouncer pgbouncer.ini {name} halved" in found
