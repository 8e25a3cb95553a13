"""Charts about replicas: the pods of a rolling update over time, and connections over the number of replicas."""

from collections.abc import Mapping

from drawing.charts import Figure
from drawing.frames import Axis, Frame, axis_from_zero
from pictures.rollout import STEP_SECONDS, Moment, Update, moments

WORKERS, POOL, PROBE = 2, 5, 1
"""The numbers of a pod in deploy/kubernetes/: WEB_CONCURRENCY, DATABASE_POOL_LIMIT, and a probe for each worker."""

PER_POD = WORKERS * (POOL + PROBE)
LIMIT = 190
"""The connections for pods: DATABASE_MAX_CONNECTIONS, which is 200, without the 10 that are reserved."""

BEHIND_PGBOUNCER = 200
"""The connections behind PgBouncer: DATABASE_PGBOUNCER_CONNECTIONS of components/pgbouncer."""

COLOURS: Mapping[str, str] = {
    "old": "silver",
    "new": "blue",
    "ending": "orange",
    "limit": "alert",
    "steady": "blue",
    "rolling": "orange",
    "pooled": "green",
}


def rolling_update(update: Update) -> Figure:
    """Draw the pods of a rolling update over time, with the kinds of pods stacked, and twice the replicas as a line."""
    seen = list(moments(update))
    most = max(moment.pods for moment in seen)
    across = axis_from_zero("seconds", seen[-1].seconds + STEP_SECONDS)  # the last column begins at the last moment
    frame = Frame(across, axis_from_zero("pods", 2 * update.replicas + 1))
    layers = [
        frame.columns([_column(moment, kind) for moment in seen], STEP_SECONDS, kind)
        for kind in ("old", "new", "ending")
    ]
    line = frame.line([(0, 2 * update.replicas), (across.ticks[-1], 2 * update.replicas)], "limit")
    title = f"{update.replicas} replicas with maxSurge {update.surge_percent} %: {most} pods at most"
    legend = {
        "old": "old pods",
        "new": "new pods",
        "ending": f"pods that terminate, for {update.end_seconds:g} s, and hold their connections",
        "limit": "2 x replicas, which the check counts",
    }
    return frame.figure(title, [*layers, line], legend)


def _column(moment: Moment, kind: str) -> tuple[float, float, float]:
    low = {"old": 0, "new": moment.old, "ending": moment.old + moment.new}[kind]
    height = {"old": moment.old, "new": moment.new, "ending": moment.terminating}[kind]
    return moment.seconds, low, low + height


def connections() -> Figure:
    """Draw the connections of all workers over the number of replicas, without and with PgBouncer."""
    most = 50
    frame = Frame(
        Axis("replicas", range(0, most + 1, 10)), axis_from_zero("connections to PostgreSQL", 2 * PER_POD * most)
    )
    fitting = LIMIT // (2 * PER_POD)
    layers = [
        frame.line([(0, 0), (most, PER_POD * most)], "steady"),
        frame.line([(0, 0), (most, 2 * PER_POD * most)], "rolling"),
        frame.line([(0, BEHIND_PGBOUNCER), (most, BEHIND_PGBOUNCER)], "pooled"),
        frame.line([(0, LIMIT), (most, LIMIT)], "limit"),
    ]
    legend = {
        "steady": f"{WORKERS} workers x (pool {POOL} + probe {PROBE}) x replicas",
        "rolling": "twice that, while an update rolls out",
        "pooled": f"{BEHIND_PGBOUNCER}, which PgBouncer opens at most, for any number of replicas",
        "limit": f"{LIMIT}, which a server of 200 connections has for pods",
    }
    return frame.figure(f"Without PgBouncer, {fitting} replicas fit a server of 200 connections", layers, legend)
