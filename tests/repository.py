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
"""The answers with which a generated service has every feature, for tests that look at all of a service."""

WHOLE_FILES = ("ci", "licence")
"""The questions whose answers only keep or drop whole files: no line inside a file depends on these.

A test checks this.
"""

LISTED = {name: values for name, values in QUESTIONS.items() if isinstance(values, list)}
MEETING = {name: values for name, values in LISTED.items() if name not in {*WHOLE_FILES, "deploy", "auth"}}

DEPLOY = ["none", "kubernetes", "none", "kubernetes", "kubernetes"]
"""The answers to `deploy`, taken in turn for the combinations of answers.

Within five consecutive combinations, each answer to a different question meets both answers to `deploy`.
"""


def go_together(answers: Answers) -> bool:
    """Tell whether answers fit together: an example and checks of access tokens both need an HTTP client.

    `hooks/pre_gen_project.py` refuses answers that do not fit together.
    """
    needs_none = answers.get("example", "no") == "no" and answers.get("auth", "none") == "none"
    return answers.get("http_client") != "none" or needs_none


AUTH = ["none", "jwt"] * 6 + ["jwt", "none"] * 6 + ["none"] * 4
"""The answers to `auth`, taken in turn for the combinations: reversed for the second client, none without client."""

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
"""Each combination of the answers that meet inside a file; the project's name has no word of the example.

Each combination also has an answer about whole files, about deploying and about tokens, taken in turn.
"""


def tracked(folder: Path = ROOT) -> list[Path]:
    """Return the files of a checkout that git lists: with new files, and without caches and environments."""
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
    """Write a cookiecutter configuration that keeps files in `folder`, not in the home folder of the tests' user."""
    config = folder / "cookiecutter.yaml"
    config.write_text(f"cookiecutters_dir: {folder / 'clones'}\nreplay_dir: {folder / 'replay'}\n")
    return config


def render(template: Path, parent: Path, answers: Answers) -> Path:
    """Generate a service in this process, without a cookiecutter command, and return the service's folder."""
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
    """Yield the files of a rendered service in which no command has run yet."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file())
