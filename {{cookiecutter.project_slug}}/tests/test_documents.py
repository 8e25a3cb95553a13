"""The README and AGENTS.md are compared with the code: files, commands, settings, numbers, and the request's way.

A test that judges a part of the README which you replaced by your own words can go with that part.
"""

import ast
import re
from dataclasses import replace

import pytest

from app.capacity.plan import make_plan
from app.capacity.report import describe
from app.settings import Settings
from tests.databases import ROOT, make_settings
from tests.test_architecture import FEATURE_ORDER

README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
DOCUMENTS = pytest.mark.parametrize("name", ["README.md", "AGENTS.md"])

FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WAY = README.partition("## A request's way")[2].partition("\n## ")[0]
STEPS = re.findall(r"^\d+\. \[.+\]\((.+)\): ", WAY, re.MULTILINE)
SUFFIXES = (".py", ".md", ".toml", ".yaml", ".yml", ".example")
MADE = {"uv.lock", ".env", ".devtools/"}  # by commands and by people: a fresh checkout has none of them


def prose(name: str) -> str:
    return FENCED.sub("", (ROOT / name).read_text(encoding="utf-8"))


def words(name: str) -> list[str]:
    """Return the words between backticks."""
    return [word for span in re.findall(r"`([^`\n]+)`", prose(name)) for word in span.split()]


def is_path(word: str) -> bool:
    """Tell whether a word names a file; placeholders in angle brackets and addresses do not."""
    plain = re.fullmatch(r"[\w.\-]+(/[\w.\-]+)*/?", word)
    return bool(plain) and word not in MADE and (word.endswith(SUFFIXES) or "/" in word)


@DOCUMENTS
def test_every_file_that_is_named_exists(name: str) -> None:
    of_features = {f"{file}.py" for file in FEATURE_ORDER}  # there need not be a feature yet
    named = {word for word in words(name) if is_path(word)}

    assert [word for word in named - of_features if not (ROOT / word).exists()] == []


@DOCUMENTS
def test_every_link_leads_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)]+)\)", prose(name))

    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


@DOCUMENTS
def test_every_command_that_is_named_exists(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    targets = set(re.findall(r"(?:^|`)make (\w+)", text, re.MULTILINE))
    modules = re.findall(r"python -m ([\w.]+)", text)

    assert targets <= set(re.findall(r"^(\w+):", MAKEFILE, re.MULTILINE))
    assert [module for module in modules if not is_program(module)] == []


def is_program(module: str) -> bool:
    """Tell whether `python -m` can run it."""
    path = ROOT / module.replace(".", "/")
    return path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


@DOCUMENTS
def test_every_variable_that_is_named_is_a_setting(name: str) -> None:
    """A variable with two underscores is a part of a group."""
    named = {word.partition("__")[0].lower() for word in words(name) if re.fullmatch(r"[A-Z]+(_+[A-Z]+)+", word)}

    assert named <= Settings.model_fields.keys()


def test_the_table_of_capacity_is_what_the_command_prints() -> None:
    plan = make_plan(make_settings("postgresql://nobody@127.0.0.1:1/none", web_concurrency=2), cpus=2)

    assert describe(replace(plan, downstreams={}, families={})) + "\n" in [code for _, code in FENCED.findall(README)]


def test_the_commands_for_windows_are_those_of_the_makefile() -> None:
    (code,) = (code for language, code in FENCED.findall(README) if language == "bat")
    install, *others = code.splitlines()
    recipes = [line.strip("\t@") for line in MAKEFILE.splitlines() if line.startswith("\t")]

    assert install.removeprefix("py -m pip install ").strip('"') in MAKEFILE
    assert [line for line in others if line.replace("py -m uv", "$(UV)") not in recipes] == []


def mentions(file: str) -> set[str]:
    """Return the modules that a file imports or names in a text, such as gunicorn's worker class."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}", *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= set(re.findall(r"app(?:\.[a-z_]+)+", node.value))
    return found


def test_each_file_of_the_requests_way_is_reached_from_one_before_it() -> None:
    reached: set[str] = set()
    unreached = []
    for file in STEPS:
        if reached and file.removesuffix(".py").replace("/", ".") not in reached:
            unreached.append(file)
        reached |= mentions(file)

    assert STEPS[0] == "gunicorn.conf.py"
    assert unreached == []


def test_the_requests_way_has_every_middleware_in_its_order() -> None:
    source = (ROOT / "app/main.py").read_text(encoding="utf-8")
    module_of = dict(re.findall(r"from app\.middleware\.(\w+) import (\w+)", source))
    order = re.findall(r"Middleware\((\w+)", source)

    named = [file.split("/")[-1].removesuffix(".py") for file in STEPS if "/middleware/" in file]
    assert [module_of[name] for name in named] == order
