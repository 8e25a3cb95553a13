"""Makes the template's new migrations follow this service's own migrations.

The template numbers its migrations as if the service had none of its own, but the service's databases ran all
migrations in one order. So a new migration of the template is changed to follow the service's newest migration. A
migration that the template no longer has stays if a migration of the service follows it.
"""

import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

VERSIONS = Path("migrations/versions")
LINK = re.compile(r"(^revision\b.*= *['\"](.+?)['\"][\s\S]*?^down_revision\b[^=\n]*= *)(\([^)]*\)|.*)", re.MULTILINE)
"""Matches revision and parents (`down_revision`) in a migration file: None, a string, or the tuple of a merge."""


def read(folder: Path) -> dict[str, tuple[Path, str]]:
    """Return the file and the parents of each migration revision, sorted by file name."""
    found = {file: LINK.search(file.read_text("utf-8")) for file in sorted((folder / VERSIONS).glob("*.py"))}
    return {link[2]: (file, link[3]) for file, link in found.items() if link}


def follow(file: Path, parents: str) -> None:
    """Replace the parents (`down_revision`) in a migration file."""
    text = LINK.sub(lambda link: link[1] + parents, file.read_text("utf-8"), count=1)
    file.write_text(text, "utf-8", newline="\n")


def rechain(service: Path, old: Path, new: Path) -> Iterator[str]:
    """Change migrations in the old and the new rendered template to follow this service's own migrations; yield notes.

    Raises:
        SystemExit: a migration is new, and the service has no single newest migration for it to follow.
    """
    own, before, after = (read(folder) for folder in (service, old, new))

    def parents(revisions: Collection[str]) -> set[str]:
        return {parent for revision in revisions for parent in re.findall(r"['\"](.+?)['\"]", own[revision][1])}

    for rendered in (before, after):
        for revision in own.keys() & rendered.keys():
            follow(rendered[revision][0], own[revision][1])
    gone = (own.keys() & before.keys()) - after.keys()
    for revision in sorted(gone, reverse=True):
        name = before[revision][0].name
        if revision in parents(own.keys() - gone):
            gone.remove(revision)
            shutil.copy2(before[revision][0], new / VERSIONS)
            yield f"{name} stays, as a migration of yours follows it: `make migration` writes what drops its tables."
        else:
            yield f"{name} goes: if a database has run it, `git checkout HEAD -- {(VERSIONS / name).as_posix()}`."
    heads = (own.keys() - gone) - parents(own.keys() - gone)
    for revision in [revision for revision in after if own and revision not in own | before]:
        if len(heads) != 1:
            raise SystemExit(f"A new migration cannot follow {' and '.join(sorted(heads))}: join them by `make merge`.")
        yield f"{after[revision][0].name} follows {min(heads)}: `make migrate` runs it."
        follow(after[revision][0], f'"{min(heads)}"')
        heads = {revision}
