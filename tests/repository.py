"""The paths of this repository, and functions that render a service from it."""

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

EVERYTHING: Answers = {"example": "showcases", "proofs": "yes", "jobs": "yes", "deploy": "kubernetes"}
"""The answers that leave nothing out, for tests that look at everything a service can have."""

WHOLE_FILES = ("ci", "licence")
"""Questions that decide about whole files only: no line inside a file depends on them, as a test checks."""

LISTED = {name: values for name, values in QUESTIONS.items() if isinstance(values, list)}
MEETING = {name: values for name, values in LISTED.items() if name not in {*WHOLE_FILES, "deploy", "auth"}}

DEPLOY = ["none", "kubernetes", "none", "kubernetes", "kubernetes"]
"""The answers to `deploy`, in turn: within five combinations, each other answer meets both of them."""


def go_together(answers: Answers) -> bool:
    """Tell whether answers fit together: an example and token checks both need an HTTP client.

    `hooks/pre_gen_project.py` refuses other answers.
    """
    needs_none = answers.get("example", "no") == "no" and answers.get("auth", "none") == "none"
    return answers.get("http_client") != "none" or needs_none


AUTH = ["none", "jwt"] * 6 + ["jwt", "none"] * 6 + ["none"] * 4
"""The answers to `auth`, in turn: reversed for the second client, and none without a client."""

EVERY_COMBINATION: list[Answers] = [
    {"project_name": "Plain Service", **choice, "auth": auth, "deploy": deploy, "ci": ci, "licence": licence}
    for choice, auth, deploy, ci, licence in zip(
        filter(
            go_together, (dict(zip(MEETING, choice, strict=True)) for choice in itertools.product(*MEETING.values()))
        ),
        AUTH,
        itertools.cycle(DEPLOY),
        itertools.cycle(LISTED["ci"]),
        itertools.cycle(LISTED["licence"]),
        strict=False,
    )
]
"""Each combination of the answers that meet inside a file; the project's name has no word of the example in it.

In turn, each combination also gets an answer about whole files, about deploying and about tokens.
"""


def tracked(folder: Path = ROOT) -> list[Path]:
    """Return the files of a checkout as git lists them: new files included, caches and environments left out."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return sorted({folder / name for name in listed.stdout.split("\0") if name and (folder / name).is_file()})


def copy_template(target: Path) -> Path:
    """Copy the repository like a fresh clone, but with uncommitted changes."""
    for file in tracked():
        copy = target / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy)
    return target


def cookiecutter_home(folder: Path) -> Path:
    """Write a cookiecutter configuration that keeps its files in `folder`, not in the home of the tests' user."""
    config = folder / "cookiecutter.yaml"
    config.write_text(f"cookiecutters_dir: {folder / 'clones'}\nreplay_dir: {folder / 'replay'}\n")
    return config


def render(template: Path, parent: Path, answers: Answers) -> Path:
    """Generate a service in this process, and return its folder."""
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
    """Yield the files of a rendered tree in which no command has run yet."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file())
