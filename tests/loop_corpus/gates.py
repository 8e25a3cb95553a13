"""Runs every gate of a generated service over the corpus, with the service's own configuration."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.loop_corpus.catalogue import CORPUS, KINDS, Family, Name, families
from tests.programs import environment, free_port, must, run

PLACE = Path("app", "loop_corpus")
"""Inside the code that the gates of a service look at."""

BLOCKING = ("ASYNC", "TID251")
"""The rules of ruff that are about the loop; the corpus breaks others too."""

Found = dict[str, set[Name]]
"""What each gate noticed."""


def prepare(tree: Path, environment_folder: Path) -> None:
    """Put the corpus into a rendered service, and beside it an environment: that of another one, and the stand-ins."""
    shutil.copytree(CORPUS, tree / PLACE, ignore=shutil.ignore_patterns("stand_ins", "__pycache__"))
    packages = next(environment_folder.glob("lib/python*/site-packages"))
    copy = tree / ".venv" / packages.relative_to(environment_folder)
    copy.mkdir(parents=True)
    for entry in packages.iterdir():
        (copy / entry.name).symlink_to(entry)
    for entry in (CORPUS / "stand_ins").iterdir():
        if not (copy / entry.name).exists():  # a real package is better
            (copy / entry.name).symlink_to(entry)
    shutil.copy(environment_folder / "pyvenv.cfg", tree / ".venv")
    (tree / ".venv/bin").mkdir()
    for program in (environment_folder / "bin").glob("python*"):
        (tree / ".venv/bin" / program.name).symlink_to(program.resolve())


def names(findings: Iterable[tuple[str, int]]) -> Iterator[Name]:
    """Yield the member that each finding, a path and a line, is in."""
    known: dict[str, Family] = {f"{family.name}.py": family for kind in KINDS for family in families(kind)}
    for path, line in findings:
        if family := known.get("/".join(Path(path).parts[-2:])):
            yield from family.at(line)


def ruff(tree: Path, programs: Path) -> set[Name]:
    """Return what `ruff check` finds."""
    text = must([programs / "ruff", "check", "--exit-zero", "--no-cache", "--output-format=json", PLACE], tree)
    return set(
        names(
            (found["filename"], found["location"]["row"])
            for found in json.loads(text)
            if (found["code"] or "").startswith(BLOCKING)
        )
    )


def hydroid(tree: Path, programs: Path) -> set[Name]:
    """Return what hydroid finds."""
    done = run([programs / "hydroid", ".", "--no-cache", "--python", ".venv", "--format=json"], tree)
    assert done.returncode == 1, done.stdout + done.stderr
    found = (diagnostic["location"] for diagnostic in json.loads(done.stdout)["diagnostics"])
    return set(names((location["path"], location["line"]) for location in found))


def inside(gate: str) -> Callable[[Path, Path], set[Name]]:
    """Return what runs the corpus behind a gate of the service's tests, or of its run time."""

    def judge(tree: Path, _programs: Path) -> set[Name]:
        every = [family.name for kind in KINDS for family in families(kind)]
        own = environment({"SLOW_PORT": str(free_port()), "TMPDIR": str(tree)})  # the cases leave files behind
        text = must([tree / ".venv/bin/python", "-m", "app.loop_corpus.inside", gate, *every], tree, env=own)
        return {(family, route) for family, route in json.loads(text)}

    return judge


GATES = {"ruff": ruff, "hydroid": hydroid, "tests": inside("tests"), "monitor": inside("monitor")}
"""In the order in which a person meets them."""

STATIC, BEFORE_RUN_TIME = ("ruff", "hydroid"), ("ruff", "hydroid", "tests")


def measure(tree: Path, environment_folder: Path) -> Found:
    """Return what each gate notices in a rendered service.

    Args:
        tree: the service; the corpus is added to it.
        environment_folder: the virtual environment of such a service, which stays as it is.
    """
    prepare(tree, environment_folder)
    with ThreadPoolExecutor(2) as threads:  # more would take the processor from each other, and look late
        calls = {name: threads.submit(gate, tree, environment_folder / "bin") for name, gate in GATES.items()}
        return {name: call.result() for name, call in calls.items()}
