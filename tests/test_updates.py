"""An update from the template loses nothing of a year in a service's life, between two commits of this template.

Template and service change in the same files and in different files, and two answers change too. A single `python -m
devtools.template update` merges it all; each test checks one of the changes.
"""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.updating import commit, edit, generate, git, sources, start, template_in, tool

OWN_MIGRATION = '''"""My own table."""

revision: str = "order_service__mine"
down_revision: str | None = "order_service__0003"
'''

CONFIGURATION = ("merge.renames=false", "diff.renames=false", "merge.conflictStyle=merge", "commit.gpgSign=true")
"""git settings of a user that make moved files be lost and a conflict's old lines be hidden, unless overridden."""

NOTE = "## Lines are shorter\n\nRun `make format`."

CONFLICTS = {
    ".github/workflows/ci.yml": "UD",
    "app/limits/pools.py": "AU",
    "app/limits/quotas.py": "DD",
    "app/limits/shares.py": "UA",
    "app/notes.py": "AA",
    "app/probes/depth.py": "UA",
    "app/web/websockets.py": "UD",
    "devtools/badge.bin": "UU",
    "pyproject.toml": "UU",
}
"""The files with a conflict after the update, each with the letters by which `git status` shows the conflict."""


@dataclass(frozen=True)
class Drill:
    """A service after an update, with the output of the command; the commit `HEAD` is the service before the update."""

    service: Path
    template: Path
    output: str
    code: int

    def read(self, name: str) -> str:
        """Return the text of a file of the updated service."""
        return (self.service / name).read_text("utf-8")


def add_kinds_of_files(template: Path) -> None:
    """Add kinds of files that the template lacks, such as a binary file, and a question that a later commit removes."""
    folder = sources(template) / "devtools"
    for name in ("logo.bin", "badge.bin"):
        (folder / name).write_bytes(b"\0old")
    (folder / "start.bat").write_bytes(b"@echo off\r\necho one\r\n")
    (folder / "tool.sh").write_text("#!/bin/sh\necho hello\n")
    change_questions(template, {"colour": ["red", "blue"]})


def change_questions(template: Path, new: dict[str, object], gone: str = "") -> None:
    """Add questions to the template, and remove a question."""
    file = template / "cookiecutter.json"
    questions = {
        question: answers for question, answers in json.loads(file.read_text("utf-8")).items() if question != gone
    }
    file.write_text(json.dumps(new | questions), "utf-8")


def append(path: Path, line: str) -> None:
    """Add a line to the end of a file."""
    path.write_text(path.read_text("utf-8") + line + "\n", "utf-8")


def change_template(template: Path) -> None:
    """Commit the changes of the next version to the template."""
    folder = sources(template)
    edit(folder / "compose.yaml", "postgres:18", "postgres:19")
    edit(folder / "app/main.py", ", outermost first.", ", the outermost one first.")
    edit(folder / "pyproject.toml", "line-length = 120", "line-length = 110")
    for name in ("app/limits/token_bucket.py", "app/health/routes.py", "app/web/trust.py", "devtools/psql.py"):
        append(folder / name, f"# from the template: {name}")
    (folder / "app/web/trust.py").rename(folder / "app/web/callers.py")
    (folder / "app/limits/quotas.py").rename(folder / "app/limits/shares.py")
    (folder / "app/pgbouncer.py").unlink()
    (folder / "app/web/websockets.py").unlink()
    (folder / "app/health/depth.py").write_text('"""New in a folder that the person moved."""\n')
    (folder / "app/notes.py").write_text('"""The notes of the template."""\n')
    (folder / "app/same.py").write_text('"""Added by both."""\n')
    (folder / "docs ä.md").write_text("A name with a space.\n")
    for name in ("logo.bin", "badge.bin"):
        (folder / "devtools" / name).write_bytes(b"\0new")
    (folder / "devtools/start.bat").write_bytes(b"@echo off\r\necho two\r\n")
    (folder / "devtools/tool.sh").chmod(0o755)
    change_questions(template, {"region": "west"}, gone="colour")
    notes = (template / "UPGRADING.md").read_text("utf-8")
    (template / "UPGRADING.md").write_text(notes.replace("\n## ", f"\n{NOTE}\n\n## ", 1), "utf-8")


def change_service(service: Path) -> None:
    """Commit changes to the service, such as a user makes in a year."""
    for line in CONFIGURATION:
        git(service, "config", *line.split("="))
    (service / ".git/info/exclude").write_text("*.bat\n")
    edit(service / "app/main.py", "    # yours below\n", "    # yours below\n    print('my own line')\n")
    edit(service / "pyproject.toml", "line-length = 120", "line-length = 100")
    edit(service / ".github/workflows/ci.yml", "permissions: {}", "# mine\npermissions: {}")
    append(service / "app/web/websockets.py", "# mine")
    edit(service / "app/web/trust.py", "from starlette", "# mine\nfrom starlette")
    (service / "app/limits/token_bucket.py").rename(service / "app/limits/buckets.py")
    (service / "app/limits/quotas.py").rename(service / "app/limits/pools.py")
    (service / "app/health").rename(service / "app/probes")
    (service / "devtools/psql.py").unlink()
    (service / "devtools/badge.bin").write_bytes(b"\0mine")
    (service / "app/notes.py").write_text('"""My notes."""\n')
    (service / "app/same.py").write_text('"""Added by both."""\n')
    (service / "migrations/versions/mine.py").write_text(OWN_MIGRATION)


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Drill:
    """Return a service that a user has changed for a year and then updated a single time."""
    place = tmp_path_factory.mktemp("drill")
    template = template_in(place)
    add_kinds_of_files(template)
    commit(template)
    service = start(generate(template, place, "colour=blue"))
    change_service(service)
    commit(service)
    change_template(template)
    commit(template)

    done = tool(service, "update", "--set", "example=showcases", "--set", "ci=gitlab")

    return Drill(service, template, done.stdout, done.returncode)


def test_all_conflicts_are_listed_and_the_command_ends_with_1(drill: Drill) -> None:
    listed = re.findall(r"^CONFLICT (..) ([^:]+): \S", drill.output, re.MULTILINE)

    assert {name: letters for letters, name in listed} == CONFLICTS
    assert drill.code == 1


def test_every_line_of_both_sides_is_in_the_service_or_its_file_is_listed(drill: Drill) -> None:
    (step,) = re.findall(r"`git show (\w+) -- devtools/psql.py`", drill.output)
    texts = [path.read_bytes() for path in drill.service.rglob("*") if path.is_file() and ".git" not in path.parts]
    there = {line.strip() for text in texts for line in text.splitlines()}
    added = {
        (side, name): {line[1:].strip() for line in change.splitlines() if re.match(rb"\+(?!\+\+ )", line)}
        for side, older, newer in (("template", f"{step}^", step), ("person", "HEAD~1", "HEAD"))
        for name, change in changes(drill.service, older, newer).items()
    }

    assert len(added) > 50
    assert {place: lines - there for place, lines in added.items() if lines - there} == {
        ("template", "devtools/psql.py"): {b"# from the template: devtools/psql.py"}
    }


def changes(folder: Path, older: str, newer: str) -> dict[str, bytes]:
    """Return the diff of each file that differs between two commits."""
    names = git(folder, "diff", "--name-only", "--no-renames", "-z", older, newer).split("\0")[:-1]
    return {name: git(folder, "diff", "--no-renames", older, newer, "--", name).encode() for name in names}


def test_a_change_lands_in_the_file_that_the_person_moved(drill: Drill) -> None:
    assert drill.read("app/limits/buckets.py").endswith("# from the template: app/limits/token_bucket.py\n")
    assert not (drill.service / "app/limits/token_bucket.py").exists()


def test_a_change_lands_in_the_folder_that_the_person_moved(drill: Drill) -> None:
    assert drill.read("app/probes/routes.py").endswith("# from the template: app/health/routes.py\n")
    assert "New in a folder" in drill.read("app/probes/depth.py")
    assert not (drill.service / "app/health").exists()


def test_a_persons_change_follows_a_file_that_the_template_moved(drill: Drill) -> None:
    text = drill.read("app/web/callers.py")

    assert "# mine\nfrom starlette" in text
    assert text.endswith("# from the template: app/web/trust.py\n")
    assert not (drill.service / "app/web/trust.py").exists()


def test_a_deleted_file_goes_unless_the_person_changed_it(drill: Drill) -> None:
    assert not (drill.service / "app/pgbouncer.py").exists()
    assert drill.read("app/web/websockets.py").endswith("# mine\n")


def test_a_file_that_the_person_deleted_stays_deleted_and_its_change_can_be_seen(drill: Drill) -> None:
    (command,) = re.findall(r"^devtools/psql.py stays deleted: `git ([^`]+)`", drill.output, re.MULTILINE)

    assert not (drill.service / "devtools/psql.py").exists()
    assert "+# from the template" in git(drill.service, *command.split())


def test_a_conflict_shows_the_old_line_between_both_new_ones(drill: Drill) -> None:
    conflict = drill.read("pyproject.toml").partition("<<<<<<<")[2].partition(">>>>>>>")[0]

    assert re.findall(r"^line-length = (\d+)$", conflict, re.MULTILINE) == ["100", "120", "110"]


def test_changes_in_different_lines_of_a_file_meet(drill: Drill) -> None:
    main = drill.read("app/main.py")

    assert "print('my own line')" in main
    assert ", the outermost one first." in main
    assert "app.include_router(products)" in main
    assert "postgres:19" in drill.read("compose.yaml")


def test_two_files_of_one_name_are_both_there(drill: Drill) -> None:
    notes = drill.read("app/notes.py")

    assert "My notes." in notes
    assert "The notes of the template." in notes
    assert drill.read("app/same.py") == '"""Added by both."""\n'


def test_bytes_modes_line_ends_and_odd_names_arrive_as_they_are(drill: Drill) -> None:
    folder = drill.service / "devtools"

    assert (folder / "logo.bin").read_bytes() == b"\0new"
    assert (folder / "badge.bin").read_bytes() == b"\0mine"  # a conflict: the user's file stays until resolved
    assert (folder / "start.bat").read_bytes() == b"@echo off\r\necho two\r\n"
    assert (folder / "tool.sh").stat().st_mode & 0o111 == 0o111
    assert drill.read("docs ä.md") == "A name with a space.\n"


def test_changed_answers_bring_and_take_files(drill: Drill) -> None:
    assert (drill.service / "app/products/routes.py").is_file()
    assert (drill.service / ".gitlab-ci.yml").is_file()
    assert "# mine" in drill.read(".github/workflows/ci.yml")


def test_a_new_migration_follows_the_newest_one_of_the_service(drill: Drill) -> None:
    assert 'down_revision: str | None = "order_service__mine"\n' in drill.read("migrations/versions/0004_products.py")
    assert "0004_products.py follows order_service__mine: `make migrate` runs it." in drill.output


def test_the_state_is_the_new_commit_with_all_answers(drill: Drill) -> None:
    state = json.loads(drill.read(".cruft.json"))
    answers = state["context"]["cookiecutter"]

    assert state["commit"] == git(drill.template, "rev-parse", "HEAD").strip()
    assert (answers["example"], answers["ci"], answers["region"]) == ("showcases", "gitlab", "west")
    assert "colour" not in answers


def test_the_notes_on_upgrading_are_printed(drill: Drill) -> None:
    assert NOTE in drill.output
    assert drill.output.count("## ") == 1


def test_one_printed_command_undoes_all(drill: Drill, tmp_path: Path) -> None:
    (command,) = re.findall(r"^`git ([^`]+)` undoes all of it\.$", drill.output, re.MULTILINE)
    service = shutil.copytree(drill.service, tmp_path / "service", symlinks=True)

    git(service, *command.split())

    files = {path.relative_to(service).as_posix() for path in service.rglob("*") if path.is_file()}
    assert git(service, "status", "--porcelain") == ""
    assert {name for name in files if not re.search(r"^\.git/|__pycache__", name)} == set(
        git(service, "ls-files", "-z").split("\0")[:-1]
    )
