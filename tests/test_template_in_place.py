"""The template's sources are valid without rendering, so that editors, linters and readers can use them."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.programs import must
from tests.repository import ROOT, SERVICE, tracked
from tests.source import Source, sources

PLAIN = {".toml", ".yaml", ".yml"}


@pytest.mark.parametrize("source", sources(), ids=lambda source: source.name)
def test_a_python_file_parses_in_place(source: Source) -> None:
    assert source.tree.body


@pytest.mark.parametrize(
    "path",
    [path for path in tracked(SERVICE) if path.suffix in PLAIN],
    ids=lambda path: path.relative_to(SERVICE).as_posix(),
)
def test_a_configuration_file_parses_in_place(path: Path) -> None:
    text = path.read_text()

    assert tomllib.loads(text) if path.suffix == ".toml" else [*yaml.safe_load_all(text)]


@pytest.mark.parametrize("command", ["ruff format --check", "ruff check"])
def test_the_template_is_formatted_and_linted_in_place(command: str) -> None:
    must(["uv", "run", "--no-sync", *command.split(), "--no-cache", SERVICE], ROOT)


def test_the_template_type_checks_in_place(service: Callable[[str], Path], tmp_path: Path) -> None:
    must([service("jwt") / ".venv/bin/mypy", "--cache-dir", tmp_path], SERVICE)


def test_one_strict_configuration_holds_for_both() -> None:
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    theirs = tomllib.loads((SERVICE / "pyproject.toml").read_text())["tool"]
    shown = must(["uv", "run", "--no-sync", "ruff", "check", "--show-settings", ROOT / "tests/conftest.py"], ROOT)

    assert (ROOT / ours["ruff"]["extend"]).samefile(SERVICE / "pyproject.toml")
    assert "select" not in ours["ruff"]["lint"]
    assert ours["mypy"]["strict"] is theirs["mypy"]["strict"] is True
    assert f"linter.line_length = {theirs['ruff']['line-length']}" in shown
    assert "missing-type-function-argument (ANN001)" in shown


def ranges(project: Path) -> list[str]:
    """Return each dependency in a pyproject.toml, development dependencies included."""
    read = tomllib.loads(project.read_text())
    return [*read["project"].get("dependencies", []), *(item for g in read["dependency-groups"].values() for item in g)]


@pytest.mark.parametrize("item", [*ranges(ROOT / "pyproject.toml"), *ranges(SERVICE / "pyproject.toml")])
def test_a_dependency_has_a_tested_floor_and_a_cap(item: str) -> None:
    match = re.fullmatch(r"[a-z0-9-]+(\[\w+\])?>=(\d[\d.]*\d|\d)(?:b\d+|\.post\d+)?,<(\d[\d.]*)(; .+)?", item)

    assert match, item
    floor, cap = ([int(part) for part in match[group].split(".")] for group in (2, 3))
    assert floor < cap
    assert cap[:-1] == floor[: len(cap) - 1]
    assert cap[-1] == floor[len(cap) - 1] + 1


def test_both_makefiles_read_python_the_same_way() -> None:
    check, private = (
        {re.search(pattern, path.read_text(), re.DOTALL | re.MULTILINE)[0] for path in makefiles()}  # type: ignore[index]
        for pattern in (r"^PYTHON_FOUND := .*?$", r"^\.uv/bin/uv:.*?\n\n")
    )

    assert len(check) == len(private) == 1


@pytest.mark.parametrize("makefile", ["root", "service"])
def test_make_help_lists_every_target_with_its_purpose(makefile: str) -> None:
    folder = ROOT if makefile == "root" else SERVICE
    phony = re.findall(r"^\.PHONY: (.*)$", (folder / "Makefile").read_text(), re.MULTILINE)

    listed = re.findall(r"^  make ([\w-]+) +\S.{10,}$", must(["make"], folder), re.MULTILINE)

    assert listed == " ".join(phony).split()
    assert 0 < len(phony[0].split()) <= 23  # the targets of a default service; `proofs: yes` adds more


def makefiles() -> list[Path]:
    """Return the Makefiles of the template and of the service."""
    return [ROOT / "Makefile", SERVICE / "Makefile"]


@pytest.mark.parametrize(
    "path", [".github/workflows/ci.yml", ".ci/run", "S/.github/workflows/ci.yml", "S/.gitlab-ci.yml"]
)
def test_ci_calls_targets_that_people_have_too(path: str) -> None:
    file = SERVICE / path.removeprefix("S/") if path.startswith("S/") else ROOT / path
    makefile = (SERVICE if path.startswith("S/") else ROOT) / "Makefile"
    called = set(re.findall(r"^\s*(?:- |- run: |phase \S+ )?make ([\w-]+)", file.read_text(), re.MULTILINE))

    assert called
    assert called <= set(re.findall(r"^([\w-]+):", makefile.read_text(), re.MULTILINE))
