"""Adds a feature by copying the example: files, migration, router, route group, tests and settings.

When the example was deleted, the template's own is copied, of the commit in `.cruft.json`. All is made in a scratch
folder, and comes into the service when it is complete: a failure changes nothing.
"""

import builtins
import keyword
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from devtools.feature.example import TABLE, Feature, words_of
from devtools.template.source import ROOT, run

MAIN, GROUPS, ENV = "app/main.py", "app/settings/route_groups.py", ".env.example"

COPIED = {"app", "devtools", "migrations", "tests", "pyproject.toml", ENV}
"""The parts of the service that are copied into the scratch folder."""

RESERVED = {"id", "created_at", "datetime", "metadata", "registry", *dir(BaseModel)}
"""The fields that every feature has, and names that mean something else in the class of a field."""


def objections(feature: Feature) -> Iterator[str]:
    """Yield the reasons why there can be no such feature, each a sentence."""
    if not feature.fields:
        yield 'A feature needs a field, as in fields="amount:decimal paid:bool note:str".'
    for name in (feature.name, feature.plural, *feature.fields):
        # the formatter cannot break the lines of a longer name
        if len(name) > 30 + (name == feature.plural) or not re.fullmatch("[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
            yield f"`{name}` is no name: it has at most 30 small letters and digits, as in purchase_order."
        if keyword.iskeyword(name) or name in dir(builtins):
            yield f"`{name}` is a word of Python: choose a different name."
    for field in feature.fields.keys() & RESERVED:
        yield f"`{field}` is a name that the classes of a feature have already: choose a different name."
    for kind in set(feature.fields.values()) - TABLE["types"].keys():
        yield f"The type `{kind}` is none of {', '.join(TABLE['types'])}."
    if feature.plural in in_use():
        yield f"`{feature.plural}` is in use in app/, tests/, {MAIN} or {GROUPS}: choose a different name or plural=..."


def in_use() -> set[str]:
    """Return the names of which a feature must have none: folders, and words of the code in which it is wired."""
    code = (words_of((ROOT / file).read_text("utf-8")) for file in (MAIN, GROUPS))
    return {path.stem for folder in ("app", "tests") for path in (ROOT / folder).iterdir()}.union(*code)


def put_below_marks(file: Path, *lines: str) -> None:
    """Put a line below each line `# yours below` of a file.

    Raises:
        SystemExit: the file has too few marks.
    """
    mark, left = re.compile("( *)# yours below\n"), list(lines)
    text = mark.sub(lambda found: f"{found[0]}{found[1]}{left.pop(0)}\n", file.read_text("utf-8"), len(lines))
    if left:
        raise SystemExit(f"{file.name} needs {len(lines)} lines `# yours below`, as the template has them.")
    file.write_text(text, "utf-8", newline="\n")


def build(feature: Feature, scratch: Path) -> list[str]:
    """Make the feature in a copy of the service, and return the paths of all files that are new or changed."""
    shutil.copytree(ROOT, scratch, ignore=lambda folder, names: set(names) - COPIED if Path(folder) == ROOT else ())
    example, name = ROOT, feature.plural
    if not all((ROOT / file).is_file() for file in TABLE["keep"]):
        tool = (os.environ.get("UV", "uv"), "tool", "run", "--quiet", "--with", "cookiecutter>=2.7.1,<3", "python")
        example = Path(run(*tool, "-m", "devtools.template.example", scratch, problem="The example is gone"))
    files = dict(feature.files(example))
    for path, text in files.items():
        (scratch / path).parent.mkdir(parents=True, exist_ok=True)
        (scratch / path).write_text(text, "utf-8", newline="\n")
    put_below_marks(scratch / MAIN, f"from app.{name}.routes import router as {name}", f"app.include_router({name})")
    paths = f'"{name}": ("/api/v1/{name}", "/api/v1/{name}/*"),'
    put_below_marks(scratch / GROUPS, paths, f"{name}: RouteGroup = RouteGroup()")
    *_, migration = run(
        sys.executable, "-m", "devtools.feature.revision", name, folder=scratch, problem="No migration can be written"
    ).splitlines()
    new = [*files, migration, MAIN, GROUPS]
    for command in ("check --fix --exit-zero", "format", "check"):
        run(sys.executable, "-m", "ruff", *command.split(), *new, folder=scratch, problem="The linter refuses the copy")
    return [*new, ENV]


def main() -> None:
    """Add the feature of the arguments, or end with a sentence and without a change."""
    name, plural, *fields = sys.argv[1:]
    feature = Feature(name, plural or f"{name}s", dict(field.partition(":")[::2] for field in fields))
    for objection in objections(feature):
        sys.exit(objection)
    with tempfile.TemporaryDirectory(prefix="feature-", ignore_cleanup_errors=True) as folder:
        paths = build(feature, scratch := Path(folder, "service"))
        for path in paths:
            (ROOT / path).parent.mkdir(exist_ok=True)
            shutil.copy2(scratch / path, ROOT / path)
    print("Written:", *paths, "Read the migration, then `make migrate` and `make check`.", sep="\n  ")


if __name__ == "__main__":
    main()
