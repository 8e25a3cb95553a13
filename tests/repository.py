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

LISTED = {name: values for name, values in QUESTIONS.items() if isinstance(values, list) and name != "licence"}
EVERY_COMBINATION: list[Answers] = [
    {"project_name": "Plain Service", **dict(zip(LISTED, choice, strict=True)), "licence": license_}
    for choice, license_ in zip(
        itertools.product(*LISTED.values()), itertools.cycle([*QUESTIONS["licence"], QUESTIONS["licence"][0]])
    )
]
"""Each combination of the questions that have a list of answers; the name has no word of the example in it.

The licence is a file that nothing else depends on: each combination of the others has one of them, in turn.
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
