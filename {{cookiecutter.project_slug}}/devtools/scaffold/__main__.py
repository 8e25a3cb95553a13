"""Adds a feature or a downstream by copying the example: its files, their wiring, tests and settings.

If the example was deleted, the template's example is copied, at the commit in `.cruft.json`. All files are made in a
scratch folder, and moved into the service when they are complete: a failure changes nothing.
"""

import builtins
import keyword
import os
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from app.readiness.schema import PREFIX, Revisions, RevisionsError
from devtools.scaffold.example import Copy, forms, words_of
from devtools.template.source import ROOT, run

CLIENT = 'The service has no HTTP client: `make template args="update --set http_client=httpx"` brings it.'

OURS = 'lint.isort.known-first-party = ["app", "devtools", "tests"]'
"""A linter option with the names of the service's packages, which the linter could not find in the scratch folder."""

ENV = ".env.example"

RESERVED = {"id", "created_at", "date", "datetime", "metadata", "registry", *dir(BaseModel)}
"""Names that no field may have: the names of fields that every feature has, and names with a meaning in a model class.
"""


def feature(name: str, plural: str = "", *fields: str) -> Copy:
    """Return the instructions for a new feature: the names and fields that replace those of the example."""
    words = forms("order", name) | forms("orders", plural or f"{name}s")
    words["Orders"] = words["orders"].capitalize()
    named = [field.partition(":")[::2] for field in fields]
    if len(named) > len(dict(named)):
        raise SystemExit("Two fields have the same name: choose a different name.")
    return Copy("feature", words, dict(named))


def downstream(name: str) -> Copy:
    """Return the instructions for a new downstream: the names that replace those of the example's downstream."""
    return Copy("downstream", forms("rates", name), {})


def objections(copy: Copy) -> Iterator[str]:
    """Yield a sentence for each reason why the feature or downstream cannot be added."""
    types, last = copy.table.get("types", {}), copy.names[-1]
    if types and not copy.fields:
        yield 'A feature needs a field, as in fields="amount:decimal paid:bool note:str".'
    for field in copy.fields.keys() & RESERVED:
        yield f"`{field}` is a name that the classes of a feature have already: choose a different name."
    for field, kind in copy.fields.items():
        if kind not in types:
            yield f"A field has a type, as in {field}:str, and `{kind}` is none of {', '.join(types)}."
    for name in (*copy.names, *copy.fields):
        # With a longer name, the formatter could not keep lines within their length.
        if len(name) > 30 + (name == last) or not re.fullmatch("[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
            yield f"`{name}` is no name: it has at most 30 small letters and digits, as in purchase_order."
        if keyword.iskeyword(name) or name in dir(builtins):
            yield f"`{name}` is a word of Python: choose a different name."
    wired, rooms = copy.table["wiring"], copy.table["rooms"]
    packages = {path.parent.name for room in rooms for path in (ROOT / room).glob("*/__init__.py")}
    modules = {path.stem.removesuffix("_stub") for room in rooms for path in (ROOT / room).glob("*.py")}
    if last in packages.union(modules, *(words_of((ROOT / file).read_text("utf-8")) for file in wired)):
        taken, plural = ", ".join([*rooms, *wired]), ", or a plural" if types else ""
        yield f"`{last}` is in use in {taken}: choose a different name{plural}."


def put_below_marks(file: Path, mark: str, *lines: str) -> None:
    """Insert the given lines into a file from top to bottom, each below a mark such as `# yours below`.

    Raises:
        SystemExit: the file has too few marks.
    """
    pattern, left = re.compile(f"( *){mark}\n"), list(lines)
    text = pattern.sub(lambda at: f"{at[0]}{at[1]}{left.pop(0)}\n", file.read_text("utf-8"), count=len(lines))
    if left:
        raise SystemExit(f"{file.name} needs {len(lines)} lines `{mark}`, as the template has them.")
    file.write_text(text, "utf-8", newline="\n")


def build(copy: Copy, scratch: Path) -> list[str]:
    """Make the files of a new feature or downstream in a scratch folder; return the paths of new and changed files."""
    example = ROOT
    if not all((ROOT / file).is_file() for file in copy.table["keep"]):
        tool = (os.environ.get("UV", "uv"), "tool", "run", "--quiet", "--with", "cookiecutter>=2.7.1,<3", "python")
        renderer = ("-m", "devtools.scaffold.render_example", scratch.parent)
        example = Path(run(*tool, *renderer, problem="The example is gone"))
    try:
        history = {"@head@": Revisions.read().head, "@revision@": PREFIX + secrets.token_hex(6)}
    except RevisionsError as error:
        raise SystemExit(str(error)) from None
    files = {re.sub("@.*@", lambda at: history[at[0]], path): text for path, text in copy.files(example)}
    wiring, settings = copy.table["wiring"], (example / ENV).read_text("utf-8").splitlines()
    for path in (*files, *wiring, ENV, "pyproject.toml"):
        (scratch / path).parent.mkdir(parents=True, exist_ok=True)
        (scratch / path).with_name("__init__.py").touch()  # the linter expects that each folder is a package
        if path in files:
            text = re.sub("@.*?@", lambda at: history[at[0]], files[path])
            (scratch / path).write_text(text, "utf-8", newline="\n")
        else:
            shutil.copy2(ROOT / path, scratch / path)
    for file, lines in wiring.items():
        put_below_marks(scratch / file, "# yours below", *map(copy.named, lines))
    own = [copy.named(line) for line in settings if re.search(copy.table["settings"], line)]
    put_below_marks(scratch / ENV, copy.table["mark"], "\n".join(["", *own]))
    new = [*files, *wiring]
    for command in ("check --fix --exit-zero", "format", "check"):
        ruff = (sys.executable, "-m", "ruff", *command.split(), "--config", OURS)
        run(*ruff, *new, folder=scratch, problem="The linter refuses the copy")
    return [*new, ENV]


def main() -> None:
    """Add the feature or downstream that the arguments describe; after an error print a sentence, change nothing."""
    kind, *arguments = sys.argv[1:]
    if kind == "downstream" and not (ROOT / "app/settings/downstreams.py").is_file():
        sys.exit(CLIENT)
    copy = feature(*arguments) if kind == "feature" else downstream(*arguments)
    for objection in objections(copy):
        sys.exit(objection)
    with tempfile.TemporaryDirectory(prefix="scaffold-", ignore_cleanup_errors=True) as folder:
        paths = build(copy, scratch := Path(folder, "service"))
        for path in paths:
            (ROOT / path).parent.mkdir(exist_ok=True)
            shutil.copy2(scratch / path, ROOT / path)
    print("Written:", *paths, copy.named(copy.table["next"]), sep="\n  ")


if __name__ == "__main__":
    main()
