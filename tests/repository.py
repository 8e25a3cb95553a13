"""Where things are in this repository, and how a service is rendered from it."""

import itertools
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parent.parent
SERVICE = ROOT / "{{cookiecutter.project_slug}}"
QUESTIONS: dict[str, str | list[str]] = {
    name: value for name, value in json.loads((ROOT / "cookiecutter.json").read_text()).items() if name[0] != "_"
}

Answers = dict[str, str]

EVERYTHING: Answers = {"example": "showcases", "proofs": "yes", "jobs": "yes"}
"""The answers that leave nothing out; the template's own tests need them where they look at all of the service."""

WHOLE_FILES = ("ci", "licence")
"""Questions that decide about whole files only: no file has a line that depends on them, which a test holds."""

LISTED = {name: values for name, values in QUESTIONS.items() if isinstance(values, list)}
MEETING = {name: values for name, values in LISTED.items() if name not in WHOLE_FILES}


def go_together(answers: Answers) -> bool:
    """Tell whether a service is made for these answers: an example calls another service, for which it needs a client.

    `hooks/pre_gen_project.py` refuses others.
    """
    return answers.get("http_client") != "none" or answers.get("example", "no") == "no"


EVERY_COMBINATION: list[Answers] = [
    {"project_name": "Plain Service", **choice, "ci": ci, "licence": licence}
    for choice, ci, licence in zip(
        filter(
            go_together, (dict(zip(MEETING, choice, strict=True)) for choice in itertools.product(*MEETING.values()))
        ),
        itertools.cycle(LISTED["ci"]),
        itertools.cycle(LISTED["licence"]),
        strict=False,
    )
]
"""Each combination of the answers that meet in a file; the name has no word of the example in it.

Each of them has one of the answers about whole files, in turn.
"""


def tracked(folder: Path = ROOT) -> list[Path]:
    """Return the files of a checkout as git sees them: no caches, no environments, new files included."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return sorted({folder / name for name in listed.stdout.split("\0") if name and (folder / name).is_file()})


def copy_template(target: Path) -> Path:
    """Copy the repository as a fresh clone would have it, uncommitted changes included."""
    for file in tracked():
        copy = target / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy)
    return target


def cookiecutter_home(folder: Path) -> Path:
    """Write a cookiecutter configuration that keeps its files in `folder`, not in the home of who runs the tests."""
    config = folder / "cookiecutter.yaml"
    config.write_text(f"cookiecutters_dir: {folder / 'clones'}\nreplay_dir: {folder / 'replay'}\n")
    return config


def render(template: Path, parent: Path, answers: Answers) -> Path:
    """Generate a service in this process and return its folder."""
    parent.mkdir(parents=True, exist_ok=True)
    return Path(
        cookiecutter(
            str(template),
            no_input=True,
            extra_context=dict(answers),
            output_dir=str(parent),
            config_file=str(cookiecutter_home(parent)),
        )
    )


def files_in(folder: Path) -> Iterator[Path]:
    """Yield the files of a rendered tree, which nothing has run in yet."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file())
