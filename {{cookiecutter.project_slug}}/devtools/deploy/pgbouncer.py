"""Rules about PgBouncer: the numbers in its manifests fit the service's settings and the other manifests."""

from collections.abc import Iterator
from configparser import ConfigParser
from configparser import Error as NoIniError

from app.settings.service import Settings
from devtools.deploy.manifests import Manifests, Object, all_ports, named, pod, pod_labels

Ini = dict[str, str]

NUMBERS = ("listen_port", "default_pool_size", "max_client_conn")


def pgbouncer(manifests: Manifests, workload: Object, settings: Settings) -> Iterator[str]:
    """Yield a sentence for each number of PgBouncer that does not fit the settings or the other manifests."""
    files = [found["data"] for found in manifests.of("ConfigMap") if "pgbouncer.ini" in found.get("data", {})]
    if len(files) != 1:
        yield f"{named(workload)}: there has to be one ConfigMap with a file pgbouncer.ini."
        return
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string("\n".join(line for line in files[0]["pgbouncer.ini"].splitlines() if line[:1] != "%"))
        ini = dict(parser["pgbouncer"])
        port, size, clients = (int(ini[name]) for name in NUMBERS)
    except (NoIniError, KeyError, ValueError):
        yield f"pgbouncer.ini has to have numbers for {', '.join(NUMBERS)} below [pgbouncer]."
        return
    yield from _connections(workload, settings, size, clients)
    yield from _ports(manifests, workload, port)
    yield from _end(workload, settings)
    if ini.get("pool_mode") != "transaction":
        yield "pool_mode of PgBouncer has to be transaction."
    if "ignore_startup_parameters" in ini:
        yield "PgBouncer must not drop settings of a connection: remove ignore_startup_parameters."


def _connections(workload: Object, settings: Settings, size: int, clients: int) -> Iterator[str]:
    instances = workload["spec"].get("replicas", 1)
    if (most := 2 * instances * size) != settings.database_pgbouncer_connections:
        yield (
            f"DATABASE_PGBOUNCER_CONNECTIONS is {settings.database_pgbouncer_connections}, but 2 x {instances} "
            f"instances x default_pool_size {size} is {most}: instances that terminate still hold their connections."
        )
    if clients != settings.database_pgbouncer_max_client_conn:
        yield (
            f"max_client_conn of PgBouncer is {clients}, but DATABASE_PGBOUNCER_MAX_CLIENT_CONN is "
            f"{settings.database_pgbouncer_max_client_conn}."
        )


def _ports(manifests: Manifests, workload: Object, port: int) -> Iterator[str]:
    """Yield a sentence for each wrong PgBouncer port: a network policy checks the Service's port or the pod's port."""
    services = [found["spec"] for found in manifests.of("Service")]
    own = [spec for spec in services if spec.get("selector", {}).items() <= pod_labels(workload).items()]
    policies = [found["spec"] for found in manifests.of("NetworkPolicy")]
    ways = {
        side: {way.get("port") for spec in policies for rule in spec.get(side, ()) for way in rule.get("ports", ())}
        for side in ("ingress", "egress")
    }
    found_ports = {
        named(workload): {all_ports(workload).get("pgbouncer")},
        "its Service": {way["port"] for spec in own for way in spec["ports"]},
        "the NetworkPolicy's ingress": {port} if ways["ingress"] & {port, "pgbouncer"} else set(),
        "the NetworkPolicy's egress": ways["egress"] & {port},
    }
    for place, found in found_ports.items():
        if found != {port}:
            yield f"PgBouncer listens on port {port}, but not so in {place}: write one number everywhere."


def _end(workload: Object, settings: Settings) -> Iterator[str]:
    grace = pod(workload).get("terminationGracePeriodSeconds", 30)
    if grace < settings.seconds_in_flight:
        yield (
            f"{named(workload)}: a grace period of {grace} s is less than the {settings.seconds_in_flight:g} s that a "
            "request may last: an update would break its transaction."
        )
    strategy = workload["spec"].get("strategy", {}).get("rollingUpdate", {})
    if (strategy.get("maxSurge"), strategy.get("maxUnavailable")) != (0, 1):
        yield f"{named(workload)}: it needs maxSurge 0 and maxUnavailable 1, else an update opens more connections."
