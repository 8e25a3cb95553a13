"""A service's files for editors, development containers and AI assistants call only commands that exist."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.programs import must
from tests.repository import Answers, render

KINDS: dict[str, Answers] = {"default": {}, "bare": {"example": "no", "http_client": "none"}}
SKILLS = ".agents/skills"


@pytest.fixture(params=KINDS)
def folder(request: pytest.FixtureRequest, template: Path, tmp_path: Path) -> Path:
    """Return a rendered service, for each of several sets of answers."""
    return render(template, tmp_path, KINDS[request.param])


def targets(folder: Path) -> set[str]:
    """Return the names of the targets in the service's Makefile."""
    return set(re.findall(r"^([\w-]+):", (folder / "Makefile").read_text(), re.MULTILINE))


def test_each_command_of_the_editor_is_a_target(folder: Path) -> None:
    tasks = json.loads((folder / ".vscode/tasks.json").read_text())["tasks"]
    container = json.loads((folder / ".devcontainer/devcontainer.json").read_text())
    commands = [task["command"] for task in tasks] + [container["postCreateCommand"]]

    assert all(command.startswith("make ") for command in commands)
    assert {command.removeprefix("make ") for command in commands} <= targets(folder)


def test_a_check_is_what_the_guides_run_one_by_one(folder: Path) -> None:
    """`make check` runs the same commands as `make lint`, `make types` and `make test`.

    For the editor's other commands, see test_client.py, test_guide.py, and the fixture `service`.
    """

    def said(*commands: str) -> list[str]:
        return must(["make", "--dry-run", *commands, f"PYTHON={sys.executable}"], folder).splitlines()

    assert said("check") == [line for command in ("lint", "types", "test") for line in said(command)]


def test_the_interpreter_of_the_editor_finds_the_tests_and_runs_one_file(service: Callable[[str], Path]) -> None:
    folder = service("default")
    settings = json.loads((folder / ".vscode/settings.json").read_text())
    (one_file,) = (
        item["args"]
        for item in json.loads((folder / ".vscode/launch.json").read_text())["configurations"]
        if item["module"] == "pytest"
    )
    interpreter = settings["python.defaultInterpreterPath"].replace("${workspaceFolder}", str(folder))
    file = "tests/health/test_routes.py"
    found = must([interpreter, "-m", "pytest", *settings["python.testing.pytestArgs"], "--collect-only"], folder)
    ran = must([interpreter, "-m", "pytest", *(part.replace("${file}", file) for part in one_file)], folder)
    container = json.loads((folder / ".devcontainer/devcontainer.json").read_text())

    assert file.rpartition("/")[2] in found
    assert " passed" in ran
    assert container["postCreateCommand"] == "make setup"  # the fixture has run this command


def test_each_module_that_the_debugger_starts_is_there(folder: Path) -> None:
    configurations = json.loads((folder / ".vscode/launch.json").read_text())["configurations"]
    own = [item["module"] for item in configurations if item["module"] != "pytest"]

    assert own == ["devtools.run"]
    assert all((folder / f"{module.replace('.', '/')}.py").is_file() for module in own)


def test_the_ports_of_the_container_are_the_defaults_of_the_settings(folder: Path) -> None:
    container = json.loads((folder / ".devcontainer/devcontainer.json").read_text())
    example = (folder / ".env.example").read_text()
    ports = [int(re.findall(rf"^# {name}=(\d+)$", example, re.MULTILINE)[0]) for name in ("PORT", "MANAGEMENT_PORT")]

    assert container["forwardPorts"] == ports


def test_there_are_two_skills_at_most_and_their_commands_are_targets(folder: Path) -> None:
    skills = sorted((folder / SKILLS).glob("*/SKILL.md"))

    assert len(skills) <= 2
    for skill in skills:
        text = skill.read_text("utf-8")
        assert re.match(rf"---\nname: {skill.parent.name}\ndescription: \S.+\n---\n", text)
        assert set(re.findall(r"`make ([\w-]+)", text)) <= targets(folder)
        assert all((skill.parent / link.partition("#")[0]).is_file() for link in re.findall(r"\]\((.+?)\)", text))
