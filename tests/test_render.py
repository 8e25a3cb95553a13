"""Every combination of answers renders a correct service, without traces of parts that the answers leave out."""

import ast
import itertools
import json
import re
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.programs import run
from tests.repository import (
    EVERY_COMBINATION,
    LISTED,
    MEETING,
    SERVICE,
    WHOLE_FILES,
    Answers,
    files_in,
    render,
    tracked,
)

COPIED = ("*.mako", "ops/dashboard.*")
"""Files that are copied unrendered: braces belong to Mako in alembic's templates, and to Grafana in the dashboard."""

TEMPLATE_SYNTAX = r".*((?<!\$)\{\{(?!\.)|\{%|%\}|\{#|cookiecutter\.(?!json\b)).*"
"""Matches the syntax of cookiecutter templates, but not `${{ ... }}` of GitHub's workflows or `{{.Name}}` of docker."""

PAGES = ("docs/*.md",)
"""Pages that describe a service with all options, as their second paragraph says, so that paths may be missing."""

SCAFFOLD = ("devtools/scaffold/*",)
"""The code of `make feature` and `make downstream`, which refers to the example even if a service has no example."""

WHOLE_TEXTS = ("LICENSE",)
"""Quoted texts, whose blank lines are not checked."""

EXAMPLE = r"(?i).*(\b(orders|rates)\b|\border(s?_(?!by\b)| \d| id\b)|\bexchange).*"
"""Matches words of the example feature, but not "in order" and `order_by`, for tests that look for traces."""

SHOWCASES = r".*(\bproducts\b|thumbnails|ROUTE_GROUPS__(REPORTS|UPLOADS)|\"pillow).*"
"""Matches words of the feature `products`, for tests that look for traces of this example feature."""

PROOFS = r".*(make (faults|ablate|load|capacity-chart)\b|tests/(faults|pgbouncer)\b|hypothesis>|locust).*"
"""Matches commands, folders and packages of the tests that prove the plumbing (`proofs: yes`)."""

AUTHENTICATION = r".*(from app\.auth\b|app/auth\b|\"pyjwt|AUTH__|issuer_stub).*"
"""Matches packages, folders and settings of access tokens, for tests that look for traces."""

PARSERS: dict[str, Callable[[str], object]] = {
    ".toml": tomllib.loads,
    ".json": json.loads,
    ".yaml": lambda text: [*yaml.safe_load_all(text)],
    ".yml": yaml.safe_load,
}


def name_of(answers: Answers) -> str:
    """Return a name for a combination of answers, for the list of tests."""
    return "-".join(list(answers.values())[1:])


@pytest.fixture(scope="session")
def trees(template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the folders of the services rendered for every combination of answers."""
    parent = tmp_path_factory.mktemp("trees")
    return {name_of(answers): render(template, parent / name_of(answers), answers) for answers in EVERY_COMBINATION}


@pytest.fixture(params=EVERY_COMBINATION, ids=name_of)
def answers(request: pytest.FixtureRequest) -> Answers:
    """Return the combination of answers that the test's parameter names."""
    combination: Answers = request.param
    return combination


@pytest.fixture
def tree(trees: dict[str, Path], answers: Answers) -> Path:
    """Return the folder of the service rendered with these answers."""
    return trees[name_of(answers)]


@cache
def contents_of(tree: Path) -> dict[str, str]:
    """Return the content of each file of a rendered service, by the file's path."""
    return {path.relative_to(tree).as_posix(): path.read_text(encoding="utf-8") for path in files_in(tree)}


def texts(tree: Path, *, but: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the content of each file of a rendered service, except for files that match these patterns."""
    every = contents_of(tree)
    return {name: text for name, text in every.items() if not any(Path(name).match(pattern) for pattern in but)}


@cache
def matches(pattern: str, content: str) -> list[str]:
    """Return the matches of a pattern in a text; cached, as nearly every file is the same in most services."""
    return [repr(match.group(0)) for match in re.finditer(pattern, content, re.MULTILINE)]


def found(pattern: str, contents: dict[str, str]) -> list[str]:
    """Return file, line and text of each match of a pattern in these files."""
    return [f"{name}: {place}" for name, content in contents.items() for place in matches(pattern, content)]


@cache
def syntax(content: str) -> ast.Module:
    """Return the syntax tree of a Python file."""
    return ast.parse(content)


def test_some_questions_decide_about_whole_files_only() -> None:
    """Answers about whole files are combined only with the answers on which these files depend, as this test checks."""
    asked = {path: set(re.findall(r"cookiecutter\.(\w+)", path.read_text("utf-8"))) for path in tracked(SERVICE)}
    of_ci = {name for path, questions in asked.items() if "ci.yml" in path.name for name in questions}

    assert {path.name for path, questions in asked.items() if questions & set(WHOLE_FILES)} == {"LICENSE"}
    assert {answers["licence"] for answers in EVERY_COMBINATION} == set(LISTED["licence"])
    assert of_ci
    for name in of_ci:
        met = {(answers["ci"], answers[name]) for answers in EVERY_COMBINATION}
        assert met == set(itertools.product(LISTED["ci"], LISTED[name]))


def test_both_answers_to_deploy_meet_each_other_answer() -> None:
    for name in MEETING:
        met = {(answers["deploy"], answers[name]) for answers in EVERY_COMBINATION}
        assert met == set(itertools.product(LISTED["deploy"], LISTED[name]))


def test_both_answers_to_auth_meet_each_combination_with_a_client() -> None:
    names = ("example", "proofs", "jobs", "auth")
    met = [tuple(answers[name] for name in names) for answers in EVERY_COMBINATION if answers["http_client"] != "none"]
    clients = {(answers["http_client"], answers["auth"]) for answers in EVERY_COMBINATION}

    assert sorted(met) == sorted(itertools.product(*(LISTED[name] for name in names)))
    assert len(clients) == 5


def test_no_template_syntax_is_left(tree: Path) -> None:
    assert found(TEMPLATE_SYNTAX, texts(tree, but=COPIED)) == []


def test_no_scars_of_removed_lines_are_left(tree: Path) -> None:
    contents = texts(tree, but=WHOLE_TEXTS)
    configuration = {name: content for name, content in contents.items() if Path(name).suffix in {*PARSERS, ".example"}}

    assert found(r"\A\s*\n", contents) == []
    assert found(r"[ \t]+$", contents) == []
    assert found(r"\n\n\n\n", contents) == []
    assert found(r"\n\n\n", configuration) == []


def test_the_manifests_have_the_addresses_of_the_downstreams(tree: Path, answers: Answers) -> None:
    """In production, a pod does not start if a downstream has no URL, and a closed port refuses downstream calls."""
    base = tree / "deploy/kubernetes/base"
    if answers["deploy"] == "none":
        assert not base.exists()
        return
    texts_read = (file.read_text("utf-8") for file in (tree / "compose.yaml", base / "settings.env"))
    compose, settings = (set(re.findall(r"\bDOWNSTREAMS__\w+__BASE_URL\b", text)) for text in texts_read)
    policy = yaml.safe_load((base / "network.yaml").read_text("utf-8"))
    opened = {way["port"] for rule in policy["spec"]["egress"] for way in rule["ports"]}

    assert settings == compose
    assert (443 in opened) == bool(compose)


def test_every_file_ends_in_one_newline(tree: Path) -> None:
    assert [name for name, content in texts(tree).items() if content and not re.search(r"\S\n\Z", content)] == []


def test_every_file_parses(tree: Path) -> None:
    for name, content in texts(tree).items():
        if name.endswith(".py"):
            assert syntax(content).body or not content
        elif parse := PARSERS.get(Path(name).suffix):
            assert parse(content)


def test_a_dropped_option_leaves_no_trace(tree: Path, answers: Answers) -> None:
    contents = texts(tree, but=PAGES)
    client = answers["http_client"]
    own = {name: content for name, content in contents.items() if name != "README.md"}

    if client == "none":
        assert (
            found(
                r".*(from app\.(settings\.)?downstreams|resources\.downstreams|\"(aiohttp|httpx2|stamina|yarl)>).*", own
            )
            == []
        )
        assert [name for name in contents if "downstream" in name] == []
    elif client == "httpx":
        assert found(r".*(import httpx2|from httpx2|\"httpx2[\[>]).*", contents) == []
    else:
        assert found(r"^.*\"httpx[\[>].*$|^ *(import httpx|from httpx)\b(?! as).*$", own) == []
    if answers["example"] == "no":
        assert found(EXAMPLE, texts(tree, but=(*PAGES, *SCAFFOLD))) == []
        assert [name for name in contents if re.search(r"orders|rates", name)] == []
    if answers["example"] != "showcases":
        assert found(SHOWCASES, contents) == []
        assert [name for name in contents if "products" in name] == []
    if answers["proofs"] == "no":
        assert found(PROOFS, contents) == []
    if answers["auth"] == "none":
        assert found(AUTHENTICATION, contents) == []
    assert [name for name in contents if re.search(r"_owned|signed\.py|authenticated", name)] == []
    assert ((tree / ".github").exists(), (tree / ".gitlab-ci.yml").exists()) == (
        answers["ci"] == "github",
        answers["ci"] == "gitlab",
    )


def test_no_module_imports_one_that_is_not_there(tree: Path) -> None:
    missing = [
        f"{name}: {module}"
        for name, content in texts(tree).items()
        if name.endswith(".py")
        for module in own_imports(syntax(content))
        if not (tree / module.replace(".", "/")).is_dir() and not (tree / f"{module.replace('.', '/')}.py").is_file()
    ]

    assert missing == []


def own_imports(module: ast.Module) -> set[str]:
    """Return the names of the service's modules that a module imports."""
    names = {node.module for node in ast.walk(module) if isinstance(node, ast.ImportFrom) and node.module}
    names |= {alias.name for node in ast.walk(module) if isinstance(node, ast.Import) for alias in node.names}
    return {name for name in names if name.split(".")[0] in {"app", "devtools", "tests"}}


def test_the_licence_is_the_one_that_was_chosen(tree: Path, answers: Answers) -> None:
    first = {
        "MIT": "MIT License",
        "Apache-2.0": "Apache License",
        "proprietary": "Copyright (c) Your Name. All rights reserved.",
    }

    licence = (tree / "LICENSE").read_text().splitlines()
    assert licence[0].strip() == first[answers["licence"]]
    assert len(licence) > 200 or answers["licence"] != "Apache-2.0"


def distinct(trees: dict[str, Path]) -> list[Path]:
    """Return each distinct Python file only once, with the service's folder: most services share nearly all files."""
    found: dict[tuple[Path, bytes], Path] = {}
    for tree in trees.values():
        for path in tree.rglob("*.py"):
            found.setdefault((path.relative_to(tree), path.read_bytes()), path)
    return list(found.values())


@pytest.mark.parametrize("command", ["ruff format --check", "ruff check"])
def test_the_formatter_and_the_linter_have_nothing_to_say(trees: dict[str, Path], command: str) -> None:
    files = distinct(trees)
    done = run(["uv", "run", "--no-sync", *command.split(), "--no-cache", *files], Path.cwd())

    assert len(files) > 250  # fewer would mean that the services were not read
    assert done.returncode == 0, done.stdout


def test_a_document_names_only_paths_and_commands_that_exist(tree: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (tree / "Makefile").read_text(), re.MULTILINE))
    documents = {name: content for name, content in texts(tree, but=PAGES).items() if name.endswith(".md")}
    paths = [
        (name, path)
        for name, content in documents.items()
        for path in re.findall(r"`([\w.][\w.-]*/[\w./-]*)`", content)
        if not (tree / path).exists() and path.split("/")[0] in {"app", "tests", "devtools", "migrations"}
    ]
    commands = [
        (name, target)
        for name, content in documents.items()
        for target in re.findall(r"\bmake ([a-z-]+)", " ".join(re.findall(r"```.*?```|`[^`]+`", content, re.DOTALL)))
        if target not in targets
    ]

    assert documents
    assert (paths, commands) == ([], [])
