"""Documents agree with the code: paths, commands, options, folder trees, quotations."""

import ast
import re
import textwrap

import pytest

from tests.documents import Document, documents, exists, find, squeezed
from tests.programs import must
from tests.repository import QUESTIONS, ROOT, SERVICE, tracked
from tests.source import Source, sources

EVERY = pytest.mark.parametrize("document", documents(), ids=lambda document: document.name)


@EVERY
def test_every_link_leads_somewhere(document: Document) -> None:
    broken = []
    for link in document.links:
        name, _, anchor = link.partition("#")
        target = document.path.parent / name if name else document.path
        if not target.exists() or (anchor and anchor not in Document(target).anchors):
            broken.append(link)

    assert broken == []


@EVERY
def test_every_path_that_is_named_exists(document: Document) -> None:
    assert [path for path in document.paths() if not exists(path)] == []


def targets(folder: str) -> set[str]:
    """Return the names of the targets in a Makefile."""
    return set(re.findall(r"^([a-z-]+):", (ROOT / folder / "Makefile").read_text(), re.MULTILINE))


INSIDE_A_SERVICE = {"docs/capacity.md", "docs/patterns.md"}
"""The guides whose commands run in the folder of a generated service."""


@EVERY
def test_every_make_target_that_is_named_exists(document: Document) -> None:
    """Documents name targets that exist: the service's in texts about a service, and after `cd` in a code block."""
    service_only = document.path.is_relative_to(SERVICE) or document.name in INSIDE_A_SERVICE
    known = targets(SERVICE.name) if service_only else targets(".") | targets(SERVICE.name)
    missing = [word for line in document.spans for word in re.findall(r"^make (\w[\w-]*)", line) if word not in known]
    for block in document.blocks:
        before, _, after = block.code.partition("\ncd ")
        theirs = SERVICE.name if service_only else "."
        for code, folder in ((before, theirs), (after, SERVICE.name)):
            missing += [
                word for word in re.findall(r"^make (\w[\w-]*)", code, re.MULTILINE) if word not in targets(folder)
            ]

    assert missing == []


@EVERY
def test_every_module_that_is_run_exists(document: Document) -> None:
    run = {name for line in document.commands() for name in re.findall(r"\bpython -m ([\w.]+)", line)}

    run -= {"pytest", "alembic"}  # names of distribution packages, which are not only programs
    assert [
        name for name in run if not any(exists(name.replace(".", "/") + end) for end in (".py", "/__main__.py"))
    ] == []


@EVERY
def test_every_variable_that_is_named_is_a_setting(document: Document) -> None:
    """Documents name variables of the service's `.env.example`; STOCK is the downstream that a guide adds."""
    settings = set(re.findall(r"^#? ?([A-Z_]+)=", (SERVICE / ".env.example").read_text(), re.MULTILINE))
    groups = {
        "DOWNSTREAMS__<NAME>": "DOWNSTREAMS__RATES",
        "ROUTE_GROUPS__<NAME>": "ROUTE_GROUPS__OTHERS",
        "STOCK": "RATES",
    }
    named = set()
    for span in document.spans:
        if re.fullmatch(r"[A-Z]+(_+([A-Z]+|<NAME>))+", span):
            prefix = next((group for group in groups if group in span), "")
            named.add(span.replace(prefix, groups.get(prefix, "")))

    assert named - settings == set()


@EVERY
def test_a_quotation_is_in_its_file(document: Document) -> None:
    for block in document.blocks:
        if block.source is not None:
            rest = squeezed(block.source.read_text(encoding="utf-8"))
            for piece in re.split(r"^\.\.\.$", block.code, flags=re.MULTILINE):
                _, found, rest = rest.partition(squeezed(piece))
                assert found, f"{block.info} does not hold, or not in this order:\n{piece}"


@EVERY
def test_other_python_parses(document: Document) -> None:
    for block in document.blocks:
        if block.language == "python" and block.source is None:
            ast.parse(textwrap.dedent(block.code))


@pytest.mark.parametrize(("name", "quotations"), [("docs/tour.md", 25), ("docs/patterns.md", 19)])
def test_the_guides_quote_the_code(name: str, quotations: int) -> None:
    assert sum(block.source is not None for block in find(name).blocks) >= quotations


def rows(name: str, heading: str) -> list[list[str]]:
    """Return the cells of the Markdown table whose first column has this heading, row by row."""
    lines = [line.strip("| ").split(" | ") for line in find(name).prose.splitlines() if line.startswith("|")]
    start = next(number for number, cells in enumerate(lines) if cells[0] == heading)
    length = len(lines[start])
    return [cells for cells in lines[start + 2 :] if len(cells) == length]


def test_the_table_of_options_is_that_of_cookiecutter() -> None:
    table = {
        cells[0].strip("`"): re.findall(r"`([^`]+)`", cells[1])
        for cells in rows("README.md", "question")[: len(QUESTIONS)]
    }

    computed: dict[str, list[str]] = {"project_slug": []}  # computed from the project's name, as the table says
    assert table == {
        question: computed.get(question, answers if isinstance(answers, list) else [answers])
        for question, answers in QUESTIONS.items()
    }
    assert list(table) == list(QUESTIONS)


def drawn_tree() -> dict[str, set[str]]:
    """Return the names that the tree in the README shows, by folder of the service."""
    (code,) = (block.code for block in find("README.md").blocks if block.code.startswith("order-service/"))
    tree: dict[str, set[str]] = {}
    folders: list[str] = []
    for line in code.splitlines():
        names = line.partition("#")[0]
        depth = (len(names) - len(names.lstrip())) // 2
        folders[depth:] = [names.split()[0].rstrip("/")]
        if depth:
            tree.setdefault("/".join(folders[1:depth]), set()).update(name.rstrip("/") for name in names.split())
    return tree


def test_the_tree_in_the_readme_is_the_tree_of_the_service() -> None:
    files = [path.relative_to(SERVICE) for path in tracked(SERVICE) if path.name != "__init__.py"]
    real = {
        folder: {path.relative_to(folder).parts[0] for path in files if path.is_relative_to(folder)}
        for folder in drawn_tree()
    }

    assert drawn_tree() == real


def recipe(folder: str, target: str) -> str:
    """Return the commands of a make target, written like the commands for Windows in the document."""
    lines = must(["make", "--dry-run", target, "UV=py -m uv", "MAKE=true"], ROOT / folder)
    return lines.replace("'", '"').replace(" >/dev/null", "")


def test_the_commands_for_windows_are_those_of_the_makefiles() -> None:
    (block,) = (block for block in find("README.md").blocks if block.language == "bat")
    install, generate, run = block.code.splitlines()
    inside = " --directory .build/demo/order-service"
    (suite,) = (span for span in find("README.md").spans if span.startswith("py -m uv run"))
    uv = re.search(r"'(uv>=[^']+)'", (ROOT / "Makefile").read_text())

    assert uv
    assert install == f'py -m pip install "{uv[1]}"'
    assert generate in recipe(".", "demo").splitlines()
    assert run.replace(inside, "") in map(str.strip, recipe(SERVICE.name, "run").splitlines())
    assert suite.replace(inside, "") in recipe(SERVICE.name, "test").splitlines()


def test_every_decision_is_in_the_list_and_names_the_test_that_holds_it() -> None:
    records = {path.name: Document(path) for path in sorted((ROOT / "docs/decisions").glob("0*.md"))}
    parts = ["Context", "Decision", "Consequences", "Enforced by"]

    listed = re.findall(r"^\| \[(\d{4})\]\((.+)\) \| (.+) \|$", find("docs/decisions/README.md").text, re.MULTILINE)
    assert [link for _, link, _ in listed] == list(records)
    for number, link, title in listed:
        assert records[link].text.startswith(f"# {number} {title}\n")
        assert re.findall(r"^## (.+)$", records[link].text, re.MULTILINE) == parts
        assert "/test_" in records[link].text.partition("## Enforced by")[2]


def test_a_promise_names_its_file_and_its_test() -> None:
    for _, kept, held in rows("README.md", "promise"):
        assert kept.startswith("[")
        assert "/test_" in held


def test_each_risk_of_owasp_names_its_file_and_a_test_that_exists() -> None:
    table = rows("docs/owasp.md", "risk")
    link = re.compile(r"\[([^\]]+)\]\((\.\./[^)]+)\)")

    assert [risk.partition(" ")[0] for risk, *_ in table] == [f"API{number}" for number in range(1, 11)]
    for _, _, kept, held, _ in table:
        name, path = link.findall(held)[0]
        assert (ROOT / "docs" / link.findall(kept)[0][1]).is_file()
        assert re.search(rf"^(async )?def {name}\(", (ROOT / "docs" / path).read_text("utf-8"), re.MULTILINE), name


def test_the_form_of_the_changelog_is_kept() -> None:
    headings = re.findall(r"^##+ (.+)$", find("CHANGELOG.md").text, re.MULTILINE)

    assert headings[:2] == ["Unreleased", "Added"]


def test_the_table_for_readers_from_flask_names_a_file_for_each_word() -> None:
    table = rows("docs/tour.md", "in Flask")
    words = " ".join(word for word, _, _ in table)

    assert [
        word for word in ("`g`", "before_request", "blueprint", "abort", "Flask-Migrate") if word not in words
    ] == []
    assert [word for word, _, files in table if not re.findall(r"`([^`]+\.py)`", files)] == []


def test_the_list_of_blocking_calls_is_at_the_end() -> None:
    """The document explains the event loop first, and ends with the table of 124 cases, which is for looking up."""
    document = find("docs/never-block.md")
    headings = re.findall(r"^## (.+)$", document.text, re.MULTILINE)

    assert (headings[0], headings[-1]) == ("The model", "Every case")
    assert document.text.endswith("<!-- corpus: end -->\n")


def test_the_log_events_in_the_changelog_are_written() -> None:
    written = {text for source in sources("app/", "gunicorn.conf.py") for text in log_events(source)}
    table = find("CHANGELOG.md").text.partition("#### Log events\n")[2].partition("\n#")[0]
    named = set(re.findall(r"`(.+?)`", table))

    assert len(named) >= 10
    assert named - written == set()


def log_events(source: Source) -> list[str]:
    """Return the events that a source file logs."""
    calls = [node for node in ast.walk(source.tree) if isinstance(node, ast.Call) and node.args]
    events = [call.args[0] for call in calls if re.match(r"(server\.)?log\.", ast.unparse(call.func))]
    return [event.value for event in events if isinstance(event, ast.Constant) and isinstance(event.value, str)]


def test_the_picture_of_the_requests_way_has_each_middleware_in_its_order() -> None:
    (picture,) = (block.code for block in find("README.md").blocks if block.code.startswith(" client"))
    source = (SERVICE / "app/main.py").read_text(encoding="utf-8")
    imports = re.findall(r"from app\.(\w+)\.(\w+) import (\w+)", source)
    file_of = {name: f"{room}/{module}" for room, module, name in imports}

    drawn = re.findall(r"^   \|-- app/(\w+/\w+)\.py", picture.partition("app/orders")[0], re.MULTILINE)
    assert drawn == [file_of[name] for name in re.findall(r"^        (?:Middleware\(|\*)(\w+)", source, re.MULTILINE)]


def test_the_picture_of_the_requests_way_has_each_file_of_the_list() -> None:
    """The README's diagram has each file of a request's way, which the service's README lists for the example."""
    (picture,) = (block.code for block in find("README.md").blocks if block.code.startswith(" client"))
    way = (SERVICE / "README.md").read_text(encoding="utf-8").partition("## A request's way")[2]
    files = re.findall(r"^\d+\. \[(.+?)\]", re.split(r"# \{% else %\}\n\d+\.", way)[0], re.MULTILINE)

    assert len(files) >= 25
    assert [file for file in files if file not in picture] == []
