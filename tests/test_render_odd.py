"""Unusual answers, line endings and folders render as correctly as usual answers, line endings and folders."""

import ast
import json
import tomllib
from pathlib import Path

import pytest
from cookiecutter.hooks import run_script_with_context

from tests.programs import run
from tests.repository import QUESTIONS, ROOT, Answers, files_in, render

ODD: list[Answers] = [
    {
        "project_name": "O'Brien's Ünïcode 注文 & Co. #1 100% $HOME",
        "description": "Isn't `it` <b>odd</b>: a | b; 'x' # y, %s %(s)s $(id) & * [z](w) – ok?",
        "author": "Zoë O'Hara <zoe@example.invalid>",
    },
    {"project_name": "x" * 50, "description": "y" * 120, "author": "z" * 80, "project_slug": "s" * 50},
    {"project_name": "a", "description": "b", "author": "c", "project_slug": "d"},
]


@pytest.fixture(params=ODD, ids=["characters", "longest", "shortest"])
def odd(request: pytest.FixtureRequest) -> Answers:
    """Return unusual answers to the questions of the template."""
    combination: Answers = request.param
    return combination


def test_unusual_answers_reach_the_files_unchanged(template: Path, tmp_path: Path, odd: Answers) -> None:
    tree = render(template, tmp_path, odd)

    project = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["description"] == odd["description"]
    assert f"Copyright (c) {odd['author']}\n" in (tree / "LICENSE").read_text(encoding="utf-8")
    for path in tree.rglob("*.py"):
        ast.parse(path.read_text(encoding="utf-8"))


def test_unusual_answers_pass_the_linter(template: Path, tmp_path: Path, odd: Answers) -> None:
    tree = render(template, tmp_path, odd)

    for command in (["format", "--check"], ["check"]):
        done = run(["uv", "run", "--no-sync", "ruff", *command, "--no-cache", tree], ROOT)
        assert done.returncode == 0, done.stdout


def content(tree: Path) -> dict[str, bytes]:
    """Return the content of each file of a rendered service, by the file's path."""
    return {path.relative_to(tree).as_posix(): path.read_bytes() for path in files_in(tree)}


@pytest.mark.parametrize("example", QUESTIONS["example"])
def test_a_checkout_with_windows_line_endings_renders_the_same(template: Path, tmp_path: Path, example: str) -> None:
    windows = tmp_path / "windows"
    for path in files_in(template):
        if ".git" not in path.relative_to(template).parts:
            copy = windows / path.relative_to(template)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))

    usual = content(render(template, tmp_path / "lf", {"example": example}))
    del usual[".cruft.json"]  # the other template is in no git repository, so no commit is stored
    other = content(render(windows, tmp_path / "crlf", {"example": example}))

    assert {name: text.replace(b"\r\n", b"\n") for name, text in other.items()} == usual
    assert [name for name, text in other.items() if text.count(b"\n") != text.count(b"\r\n")] == []


def test_the_hook_after_generation_can_run_again(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = render(template, tmp_path, {"example": "no", "http_client": "none", "ci": "gitlab"})
    before = content(tree)
    answers = json.loads(before[".cruft.json"])["context"]["cookiecutter"]
    extensions = json.loads((template / "cookiecutter.json").read_text("utf-8"))["_extensions"]
    own = {"_extensions": extensions, "_template": str(template), "_repo_dir": str(template)}

    monkeypatch.chdir(template)  # as cookiecutter does; the template's extension reads the current folder
    run_script_with_context(template / "hooks/post_gen_project.py", tree, {"cookiecutter": answers | own})

    assert content(tree) == before


def test_two_renderings_are_the_same(template: Path, tmp_path: Path) -> None:
    assert content(render(template, tmp_path / "one", {})) == content(render(template, tmp_path / "two", {}))
