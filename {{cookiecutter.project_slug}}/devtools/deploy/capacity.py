"""Rules that compare the manifests' connections, replicas, workers, CPUs and memory with the capacity plan."""

from collections.abc import Iterator

from app.capacity.from_settings import plan_for
from app.capacity.plan import MAX_BODIES_BYTES, CapacityError, Plan
from app.settings.service import Settings
from devtools.deploy.manifests import Manifests, Object, containers, main_container, named
from devtools.deploy.quantities import cpus, memory_bytes, replicas_of

LEAST_POOL = 3
"""The smallest connection pool in which two stuck route groups leave a connection to a third route group."""

WORKER_BYTES = 128 * 2**20
"""Bytes of memory of one process of the service, measured after some requests and rounded up."""

FULL_PERCENT = 100


def connections(settings: Settings, web: Object, worker: Object | None, scaler: Object) -> Iterator[str]:
    """Yield a sentence for each number that miscounts database connections, or leaves too few for all replicas."""
    most = scaler["spec"]["maxReplicas"]
    if settings.replicas != most:
        yield f"REPLICAS is {settings.replicas}, but maxReplicas of the autoscaler is {most}: make both the same."
    if (surge := replicas_of(settings.replicas_surge, settings.replicas)) < settings.replicas:
        yield (
            f"REPLICAS_SURGE is {settings.replicas_surge}: pods that terminate are not in maxSurge and still hold "
            f"connections, so {settings.replicas} and not {surge} more have to be counted. Set it to 100%."
        )
    jobs = getattr(settings, "jobs", None)  # only a service with job workers has these settings
    if jobs and worker and (workers := worker["spec"].get("replicas", 1)) != jobs.workers:
        yield f"JOBS__WORKERS is {jobs.workers}, but {named(worker)} has {workers} replicas."
    try:
        plan = plan_for(settings, cpus=max(1, int(_cpus(web))))
    except CapacityError as error:
        yield f"{named(web)} would not start: {error}"
        return
    yield from _pool(plan, settings)


def _pool(plan: Plan, settings: Settings) -> Iterator[str]:
    if plan.pool_size < settings.database_pool_limit:
        pods = f"{plan.workers} workers x {plan.rolling_replicas} pods, those that terminate included"
        yield (
            f"The database has connections for a pool of {plan.pool_size} in each of {pods}, and not for "
            f"DATABASE_POOL_LIMIT={settings.database_pool_limit}: lower maxReplicas and REPLICAS, WEB_CONCURRENCY or "
            "the pool, raise DATABASE_MAX_CONNECTIONS with the server's, or use components/pgbouncer."
        )
    if settings.database_pool_limit < LEAST_POOL:
        yield (
            f"DATABASE_POOL_LIMIT is {settings.database_pool_limit}: in a pool of fewer than {LEAST_POOL} connections "
            "two stuck route groups leave none to the others."
        )


def resources(workload: Object, processes: int) -> Iterator[str]:
    """Yield a sentence for each CPU or memory request or limit that does not fit the processes of a pod."""
    for container in containers(workload):
        place = f"{named(workload)}, container {container['name']}"
        given = container.get("resources", {})
        requests, limits = given.get("requests", {}), given.get("limits", {})
        if "cpu" in limits:
            yield f"{place}: remove the limit of CPU, at which a process stops for the rest of a period."
        if "memory" not in limits or "cpu" not in requests:
            yield f"{place}: it needs a limit of memory and a request of CPU."
            continue
        if requests.get("memory") != limits["memory"]:
            yield f"{place}: request as much memory as the limit, else the node may kill the pod below its limit."
        if not processes / 2 <= (requested := cpus(requests["cpu"])) <= processes:
            yield (
                f"{place}: {processes} processes fit a request of {processes / 2:g} to {processes} CPUs, not "
                f"{requested:g}: change it or WEB_CONCURRENCY."
            )
        need = processes * (WORKER_BYTES + 2 * MAX_BODIES_BYTES * (processes > 1))
        if memory_bytes(limits["memory"]) < need:
            yield f"{place}: {processes} processes need {need // 2**20} Mi of memory, not {limits['memory']}."


def scaling(manifests: Manifests, web: Object, scaler: Object) -> Iterator[str]:
    """Yield a sentence for each number of the autoscaler or the disruption budget that contradicts other numbers."""
    spec = scaler["spec"]
    least, most = spec.get("minReplicas", 1), spec["maxReplicas"]
    if not 2 <= least < most:  # noqa: PLR2004 - a single replica is lost when its node fails
        yield f"The autoscaler needs 2 <= minReplicas < maxReplicas, and has {least} and {most}."
    target = spec["scaleTargetRef"]
    if (target["kind"], target["name"]) != (web["kind"], web["metadata"]["name"]):
        yield f"The autoscaler scales {target['kind']} {target['name']}, which is not {named(web)}."
    if "replicas" in web["spec"]:
        yield f"{named(web)}: remove `replicas`, as each apply would reset what the autoscaler has chosen."
    for percent in _utilizations(spec):
        yield from _disruptions(manifests, least, percent)
    for direction, rules in spec.get("behavior", {}).items():
        if any(policy["value"] < 1 or policy["periodSeconds"] < 1 for policy in rules.get("policies", ())):
            yield f"The autoscaler's {direction} never happens: a value or a period is less than 1."


def _utilizations(spec: Object) -> list[int]:
    sources = [metric.get("containerResource") or metric.get("resource") or {} for metric in spec.get("metrics", ())]
    return [source["target"].get("averageUtilization", 0) for source in sources if source.get("name") == "cpu"]


def _disruptions(manifests: Manifests, least: int, percent: int) -> Iterator[str]:
    if not 50 <= percent <= 80:  # noqa: PLR2004 - the sentence below says why 50 and 80
        yield (
            f"The autoscaler aims at {percent} % of the CPU: below 50 half of it is never used, and above 80 the load "
            "passes all of it before a new pod is ready."
        )
    for found in manifests.of("PodDisruptionBudget"):
        spec, place = found["spec"], named(found)
        if "maxUnavailable" not in spec:
            yield f"{place}: use maxUnavailable, which keeps its meaning whatever the number of replicas is."
            continue
        gone = replicas_of(spec["maxUnavailable"], least)
        if gone < 1:
            yield f"{place}: maxUnavailable is 0, and no node with such a pod can be emptied."
        elif gone >= least or percent * least / (least - gone) > FULL_PERCENT:
            yield (
                f"{place}: with {gone} of {least} pods gone, the others would need more than all of their CPU, as the "
                f"autoscaler keeps {percent} % busy."
            )
        if spec.get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield f"{place}: set unhealthyPodEvictionPolicy to AlwaysAllow, else a broken pod keeps its node."


def _cpus(workload: Object) -> float:
    return cpus(main_container(workload).get("resources", {}).get("requests", {}).get("cpu", 1))
