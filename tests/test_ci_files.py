"""A service's CI files and compose.yaml, checked by linters, by the official schemas, and by the tests here."""

import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import yaml

from tests.actions import ACTIONS
from tests.programs import must, run
from tests.repository import EVERYTHING, ROOT, Answers, render

BOTH: dict[str, Answers] = {"default": {}, "everything": EVERYTHING}
TOOLS = ROOT / ".venv/bin"


@pytest.fixture(scope="module", params=BOTH)
def workflow(request: pytest.FixtureRequest, template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a service's GitHub workflow."""
    return render(template, tmp_path_factory.mktemp("github"), BOTH[request.param]) / ".github/workflows/ci.yml"


@pytest.fixture(scope="module", params=BOTH)
def pipeline(request: pytest.FixtureRequest, template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a service's GitLab pipeline, with compose.yaml in the same folder."""
    answers = {**BOTH[request.param], "ci": "gitlab"}
    return render(template, tmp_path_factory.mktemp("gitlab"), answers) / ".gitlab-ci.yml"


def jactionlint(file: Path) -> CompletedProcess[str]:
    """Lint a GitHub workflow for mistakes, with actionlint."""
    return run([TOOLS / "jactionlint", "--shellcheck=", file], file.parent)


def zizmor(file: Path) -> CompletedProcess[str]:
    """Lint a GitHub workflow for security problems, with zizmor."""
    return run([TOOLS / "zizmor", "--offline", "--no-progress", file], file.parent)


def matches(schema: str, file: Path) -> CompletedProcess[str]:
    """Check a file against a JSON schema that is a part of the program check-jsonschema."""
    return run([TOOLS / "check-jsonschema", "--builtin-schema", f"vendor.{schema}", file], file.parent)


@pytest.mark.parametrize("lint", [jactionlint, zizmor])
def test_the_linters_of_workflows_have_nothing_to_say(workflow: Path, lint: Callable[[Path], object]) -> None:
    done = lint(workflow)

    assert isinstance(done, CompletedProcess)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_action_has_a_digest_of_the_table(workflow: Path) -> None:
    used = re.findall(r"uses: (\S+?)@(\S+) # (\S+)$", workflow.read_text(), re.MULTILINE)

    assert len(used) == workflow.read_text().count("uses:")
    assert {(name, (digest, version)) for name, digest, version in used} <= set(ACTIONS.items())


def test_no_job_has_more_rights_than_reading(workflow: Path) -> None:
    parsed = yaml.safe_load(workflow.read_text())

    assert parsed["permissions"] == {}
    assert [job["permissions"] for job in parsed["jobs"].values()] == [{"contents": "read"}] * len(parsed["jobs"])
    assert all(job["timeout-minutes"] <= 15 for job in parsed["jobs"].values())


PLANTED = {
    "a job that is not there": ("  audit: #", "  audit:\n    needs: [chekc]\n    x: #", jactionlint),
    "a context that is not there": ("matrix.python }}", "matrix.pyhton }}", jactionlint),
    "a wrong key": ("timeout-minutes: 10", "timeout-minute: 10", jactionlint),
    "a wrong time": ("23 4 * * 1", "63 4 * * 1", jactionlint),
    "an unknown runner": ("runs-on: ubuntu-latest", "runs-on: ubuntu-newest", jactionlint),
    "a tag in place of a digest": (f"@{ACTIONS['actions/checkout'][0]}", "@v7.0.1", zizmor),
    "credentials that stay": ("persist-credentials: false", "fetch-depth: 1", zizmor),
    "a trigger with rights": ("  pull_request:\n", "  pull_request_target:\n", zizmor),
    "a text of strangers in a command": (
        "run: docker compose build",
        'run: echo "${{ github.event.pull_request.title }}"',
        zizmor,
    ),
    "a failure in front of a pipe": ("    shell: bash", "    working-directory: .", jactionlint),
    "all rights": ("permissions: {} #", "permissions: write-all #", jactionlint),
}


@pytest.mark.parametrize("workflow", ["everything"], indirect=True)
@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_of_a_workflow_is_found(workflow: Path, tmp_path: Path, fault: str) -> None:
    right, wrong, lint = PLANTED[fault]
    place = tmp_path / ".github/workflows/ci.yml"
    place.parent.mkdir(parents=True)
    place.write_text(workflow.read_text().replace(right, wrong))

    assert right in workflow.read_text()
    assert lint(place).returncode != 0


def test_the_pipeline_matches_the_schema_and_names_jobs_and_stages_that_exist(pipeline: Path) -> None:
    parsed = yaml.safe_load(pipeline.read_text())
    jobs = {name: job for name, job in parsed.items() if isinstance(job, dict) and "script" in job}
    named = {need for job in jobs.values() for need in job.get("needs", ())}
    stages = {job["stage"] for job in jobs.values() if "stage" in job}

    assert must([TOOLS / "check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", pipeline], pipeline.parent)
    assert jobs.keys() == {"check", "container", "audit", "template"}
    assert named <= jobs.keys()
    assert stages <= {*parsed.get("stages", ()), "build", "test", "deploy"}


@pytest.mark.parametrize("pipeline", ["everything"], indirect=True)
@pytest.mark.parametrize(("right", "wrong"), [("script:", "scripts:"), ("interruptible: true", "interruptible: often")])
def test_a_planted_fault_of_a_pipeline_is_found(pipeline: Path, tmp_path: Path, right: str, wrong: str) -> None:
    place = tmp_path / ".gitlab-ci.yml"
    place.write_text(pipeline.read_text().replace(right, wrong, 1))

    assert right in pipeline.read_text()
    assert matches("gitlab-ci", place).returncode != 0


def test_compose_matches_its_schema_and_names_services_that_exist(pipeline: Path, tmp_path: Path) -> None:
    file = pipeline.with_name("compose.yaml")
    services = yaml.safe_load(file.read_text())["services"]
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(file.read_text().replace("stop_grace_period:", "stop_grace:"))

    assert matches("compose-spec", file).returncode == 0
    assert matches("compose-spec", wrong).returncode != 0
    assert {name for service in services.values() for name in service.get("depends_on", ())} <= services.keys()


def test_the_containers_of_compose_have_the_rights_of_the_test_of_the_image(pipeline: Path) -> None:
    services = yaml.safe_load(pipeline.with_name("compose.yaml").read_text())["services"]
    own = [service for service in services.values() if "build" in service]
    arguments = {name for service in own for name in service["build"]["args"]}
    rights = [(s["read_only"], s["cap_drop"], s["security_opt"], s["mem_limit"]) for s in own]

    assert arguments <= set(re.findall(r"^ARG (\w+)", pipeline.with_name("Dockerfile").read_text(), re.MULTILINE))
    assert set(map(str, rights)) == {str((True, ["ALL"], ["no-new-privileges:true"], "512m"))}
    assert all(port.startswith("127.0.0.1:") for service in services.values() for port in service.get("ports", ()))


OF_GITHUB = ' PYTHON="$(uv python find "$VERSION")"', ' | tee --append "$GITHUB_STEP_SUMMARY"'
"""The parts that only GitHub's jobs have: the Python that a job names, and the output on the page of the run."""


@pytest.mark.parametrize(("workflow", "pipeline"), [(name, name) for name in BOTH], indirect=True)
def test_both_files_run_the_same_commands(workflow: Path, pipeline: Path) -> None:
    """GitHub's and GitLab's files run the same commands, so that a trial of one file proves both.

    Only uv is installed in two ways.
    """
    jobs, twin = yaml.safe_load(workflow.read_text())["jobs"], yaml.safe_load(pipeline.read_text())

    for name in ("check", "audit", "template"):
        lines = [step["run"] for step in jobs[name]["steps"] if "run" in step and "name" not in step]
        for own in OF_GITHUB:
            lines = [line.replace(own, "") for line in lines]
        ours = [line for line in lines if not line.startswith("uv python install")]
        assert ours == [line for line in twin[name]["script"] if not line.startswith("pip install")]
        assert jobs[name].get("env", {}).items() - {("VERSION", "${{ matrix.python }}")} == {
            *twin[name].get("variables", {}).items()
        }
    docker = [
        line for line in twin["container"]["script"] if line.startswith("docker compose") and " exec " not in line
    ]
    steps = [step["run"] for step in jobs["image"]["steps"] if "if" not in step and "docker" in step.get("run", "")]
    assert [line.replace("--fixed-strings", "-F") for line in steps] == docker


def test_the_audit_is_red_when_nobody_could_be_asked(workflow: Path, pipeline: Path) -> None:
    """With --strict, the audit fails for a package that the vulnerability database does not know.

    Without --strict, the audit skips such packages and passes.
    """
    github = [step.get("run", "") for step in yaml.safe_load(workflow.read_text())["jobs"]["audit"]["steps"]]
    gitlab = yaml.safe_load(pipeline.read_text())["audit"]["script"]

    assert github[-2:] == gitlab[-2:]
    assert {"--strict", "--require-hashes"} <= set(github[-1].split())
    assert {"--locked", "--no-dev"} <= set(github[-2].split())
