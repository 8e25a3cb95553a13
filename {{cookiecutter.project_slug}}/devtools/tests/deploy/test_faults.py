"""Each planted fault of the manifests is found, with its own sentence; manifests without faults get no sentence."""

from pathlib import Path

import pytest

from devtools.deploy.check import problems
from devtools.deploy.manifests import Object, render
from devtools.tests.deploy.faults import FAULTS, FAULTS_OF_JOBS, FAULTS_OF_LIMITS, faults_of_a_downstream
from devtools.tests.deploy.planting import REMOVED, Fault, behind_pgbouncer, drop, put, rendered, with_fault

SETTINGS = rendered().settings_map() or {"data": {}}
ALL = FAULTS | {"a worker of jobs": FAULTS_OF_JOBS} if rendered().named("Deployment", "worker") else FAULTS
if "DOWNSTREAMS__ISSUER__BASE_URL" in SETTINGS["data"]:
    ALL = ALL | {"limits that replicas share": FAULTS_OF_LIMITS}
for name in [name for name in SETTINGS["data"] if name.startswith("DOWNSTREAMS__")][-1:]:
    ALL = ALL | {"a downstream": faults_of_a_downstream(name)}

ROWS = [
    pytest.param(sentence, faults, id=f"{name}-{number}")
    for name, siblings in ALL.items()
    for number, (sentence, faults) in enumerate(siblings)
]

LAST = len((behind_pgbouncer().named("NetworkPolicy", "service") or {})["spec"]["egress"]) - 1

PGBOUNCER: list[tuple[str, Fault]] = [
    ("2 x 3 instances x default_pool_size 50 is 300", put("Deployment/pgbouncer", "spec.replicas", 3)),
    (
        "2 x 2 instances x default_pool_size 50 is 200",
        put("ConfigMap/settings", "data.DATABASE_PGBOUNCER_CONNECTIONS", "100"),
    ),
    (
        "max_client_conn of PgBouncer is 1200",
        put("ConfigMap/settings", "data.DATABASE_PGBOUNCER_MAX_CLIENT_CONN", "1300"),
    ),
    (
        "has to have numbers",
        put("ConfigMap/pgbouncer", "data", {"pgbouncer.ini": "[pgbouncer]\ndefault_pool_size = many"}),
    ),
    ("one ConfigMap with a file pgbouncer.ini", put("ConfigMap/pgbouncer", "data", REMOVED)),
    ("needs maxSurge 0", put("Deployment/pgbouncer", "spec.strategy", {})),
    ("not so in its Service", drop("Service/pgbouncer")),
    ("not so in the NetworkPolicy's ingress", put("NetworkPolicy/service", "spec.ingress.2.ports.0.port", "http")),
    (
        "not so in the NetworkPolicy's egress",
        put("NetworkPolicy/service", f"spec.egress.{LAST}", {"ports": [{"port": 53}]}),
    ),
    ("less than the 17 s", put("Deployment/pgbouncer", "spec.template.spec.terminationGracePeriodSeconds", 15)),
    ("would not start: PgBouncer may open 200", put("ConfigMap/settings", "data.DATABASE_MAX_CONNECTIONS", "200")),
]


def test_there_are_faults_of_27_kinds_and_more() -> None:
    assert len(FAULTS) >= 27


@pytest.mark.parametrize(("sentence", "faults"), ROWS)
def test_a_planted_fault_has_its_sentence(sentence: str, faults: list[Fault]) -> None:
    assert sentence in "\n".join(problems(with_fault(*faults)))


@pytest.mark.parametrize(("sentence", "fault"), PGBOUNCER)
def test_a_planted_fault_of_pgbouncer_has_its_sentence(sentence: str, fault: Fault) -> None:
    assert sentence in "\n".join(problems(with_fault(fault, of=behind_pgbouncer)))


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(("connections", "is_wrong"), [("20", True), ("200", False)])
def test_a_sidecar_hides_no_setting_of_the_service(place: int, connections: str, *, is_wrong: bool) -> None:
    def add_sidecar(objects: list[Object]) -> None:
        (web,) = (found for found in objects if (found["kind"], found["metadata"]["name"]) == ("Deployment", "web"))
        web["spec"]["template"]["spec"]["containers"].insert(place, {"name": "sidecar", "image": "sidecar:1"})

    fault = put("ConfigMap/settings", "data.DATABASE_MAX_CONNECTIONS", connections)

    found = "\n".join(problems(with_fault(add_sidecar, fault)))

    assert ("would not start" in found) == is_wrong


def test_a_secret_is_not_shown() -> None:
    fault = put("ConfigMap/settings", "data.SERVICE_NAME", "https://me:hidden@service.example.com")

    assert "hidden" not in "\n".join(problems(with_fault(fault)))


def test_an_overlay_that_does_not_render_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [missing.yaml]\n", "utf-8")

    with pytest.raises(SystemExit, match="does not render"):
        render(tmp_path)
