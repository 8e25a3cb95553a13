"""The real `cookiecutter` command: the questions, messages and results of the template."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.programs import environment, run
from tests.repository import QUESTIONS, ROOT, SERVICE, cookiecutter_home

COMMAND = Path(sys.prefix, "bin", "cookiecutter")


def generate(template: Path | str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `cookiecutter` in `folder`."""
    home = ["--config-file", str(cookiecutter_home(folder))]
    return run([COMMAND, template, "--no-input", *home, *arguments], folder, env=environment({"PYTHONUTF8": "1"}))


def test_it_ends_with_the_answers_and_the_commands_to_type_next(template: Path, tmp_path: Path) -> None:
    done = generate(template, tmp_path, "project_name=Order Service", "ci=gitlab")

    answers, *commands = [line.split("   #")[0] for line in done.stdout.splitlines()[-7:]]
    assert done.returncode == 0
    asked = "auth=none ci=gitlab deploy=none example=plain http_client=httpx jobs=no licence=MIT proofs=no"
    assert answers == f"Generated with {asked}"
    commit = "git add --all && git commit --message 'A new service'"
    first = ["cd order-service", "git init", "make setup", commit]
    assert commands == [*first, "uv tool run pre-commit install", "make run"]


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        ("1.7.3", "No module named 'cookiecutter_2_4_or_newer_is_needed'"),
        ("2.1.1", "cookiecutter 2.1.1 is too old: install 2.4 or newer, or use `uv tool run cookiecutter`."),
    ],
)
def test_a_cookiecutter_that_is_too_old_says_so_and_writes_nothing(
    template: Path, tmp_path: Path, version: str, sentence: str
) -> None:
    old = ["uv", "tool", "run", "--quiet", "--from", f"cookiecutter=={version}", "--with", "setuptools<81"]
    home = ["--config-file", str(cookiecutter_home(tmp_path))]

    done = run([*old, "cookiecutter", template, "--no-input", *home, "--output-dir", tmp_path / "out"], tmp_path)

    assert (done.returncode, done.stdout) == (1, f"Unable to load extension: {sentence}\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["license=Apache-2.0"], "there is no question license: the questions are project_name, project_slug,"),
        (["--accept-hooks", "no"], "the hooks check the answers, and remove the files of other answers: generate"),
        (["--config-file", "defaults.yaml"], "the default of example in your configuration is none of plain,"),
    ],
)
def test_what_cookiecutter_would_pass_over_is_refused_and_nothing_is_written(
    template: Path, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    home = cookiecutter_home(tmp_path).read_text()
    (tmp_path / "defaults.yaml").write_text(f"{home}default_context:\n  example: no\n")

    done = generate(template, tmp_path, *arguments)

    assert done.returncode == 1
    assert done.stdout.startswith(f"Unable to load extension: {sentence}")
    assert len(done.stdout.splitlines()) == 1
    assert not (tmp_path / "order-service").exists()


def test_the_questions_can_be_answered_at_the_keyboard(template: Path, tmp_path: Path) -> None:
    home = ["--config-file", str(cookiecutter_home(tmp_path))]
    lines = ["Tea Shop", "", "Sells tea.", "Ada", "2", "", "", "", "", "", "3", "2"]

    done = run([COMMAND, template, *home], tmp_path, env=environment({"COLUMNS": "200"}), typed="\n".join(lines) + "\n")

    assert done.returncode == 0, done.stderr
    assert "[4/12] Who owns it (a person or a team)? (Your Name): " in done.stdout
    assert "2 - httpx2, its maintained continuation with the same interface" in done.stdout
    project = tomllib.loads((tmp_path / "tea-shop/pyproject.toml").read_text())["project"]
    assert project["description"] == "Sells tea."
    assert any(item.startswith("httpx2") for item in project["dependencies"])


def test_a_git_address_works_like_a_folder(template: Path, tmp_path: Path) -> None:
    done = generate(f"git+file://{template}", tmp_path)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "order-service/pyproject.toml").is_file()


NAME_IS_EMPTY = "The project name is empty: type something like: Order Service"
DESCRIPTION_IS_CODE = (
    "The description holds a double quote, a backslash or a curly brace: "
    "type something like: Takes orders and tells their price."
)
SLUG_IS_TAKEN = "The slug asyncio is the name of the Python standard library: type another one, like asyncio-service"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("project_name=", NAME_IS_EMPTY),
        ('description=""" + 1/0 + """', DESCRIPTION_IS_CODE),
        ("project_slug=asyncio", SLUG_IS_TAKEN),
    ],
)
def test_a_refusal_is_one_sentence(template: Path, tmp_path: Path, answer: str, sentence: str) -> None:
    done = generate(template, tmp_path, answer)

    assert done.returncode == 1
    assert done.stderr.splitlines() == [sentence]
    assert "pre_gen_project.py" not in done.stdout  # the hook shows no traceback of its own


def test_a_second_run_says_that_the_folder_exists(template: Path, tmp_path: Path) -> None:
    generate(template, tmp_path)

    done = generate(template, tmp_path)

    assert done.returncode == 1
    assert done.stdout.splitlines() == ['Error: "order-service" directory already exists']


def test_force_does_not_overwrite_a_service(template: Path, tmp_path: Path) -> None:
    generate(template, tmp_path)
    (tmp_path / "order-service/README.md").write_text("mine")

    done = generate(template, tmp_path, "--overwrite-if-exists")

    assert done.returncode == 1
    assert done.stderr == (
        "The folder 'order-service' is not empty and would be overwritten: "
        "type another slug, or bring an existing service up to date by `make template args=update` in it\n"
    )
    assert (tmp_path / "order-service/README.md").read_text() == "mine"


def test_every_question_is_a_plain_sentence() -> None:
    prompts = json.loads((ROOT / "cookiecutter.json").read_text())["__prompts__"]

    assert len(QUESTIONS) <= 12
    assert prompts.keys() == QUESTIONS.keys()
    for name, prompt in prompts.items():
        choices = QUESTIONS[name]
        question = prompt if isinstance(prompt, str) else prompt["__prompt__"]
        assert re.fullmatch(r"[A-Z].* .*\?", question)
        assert isinstance(choices, str) or prompt.keys() == {"__prompt__", *choices}


def test_the_names_that_a_slug_may_not_have_are_those_of_the_service() -> None:
    refused = assigned(ROOT / "hooks/pre_gen_project.py", "DEPENDENCIES")
    project = tomllib.loads((SERVICE / "pyproject.toml").read_text())
    ranges = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]

    assert {node.value for node in ast.walk(refused) if isinstance(node, ast.Constant)} == {
        re.split(r"[\[<>=~!; ]", item)[0] for item in ranges
    }


def test_the_table_of_the_hook_names_files_that_exist() -> None:
    table = ast.literal_eval(assigned(ROOT / "hooks/post_gen_project.py", "DROPPED"))

    for (question, answer), paths in table.items():
        assert answer in QUESTIONS[question]
        assert [path for path in paths if not (SERVICE / path).exists()] == []


def assigned(script: Path, name: str) -> ast.expr:
    """Return the value that a script assigns to a name, by parsing, as an unrendered hook cannot be imported."""
    body = ast.parse(script.read_text()).body
    return next(node.value for node in body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name)
