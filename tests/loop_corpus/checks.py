"""Runs every check for blocking calls that a generated service has, on the corpus, with the service's configuration."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.loop_corpus.catalogue import CORPUS, KINDS, Name, Topic, topics
from tests.programs import environment, find_uv, free_port, must, run

PLACE = Path("app", "loop_corpus")
"""The folder of the corpus of blocking code inside a service's `app/`, so that the service's checks read the corpus."""

BLOCKING = ("ASYNC", "TID251")
"""The ruff rules about blocking the event loop; only these are used, as the corpus breaks other rules too."""

Found = dict[str, set[Name]]
"""The routes of the corpus that each check has found, by the name of the check."""


def prepare(tree: Path, environment_folder: Path) -> None:
    """Put the corpus into a rendered service, with an environment of a service's packages and stand-ins for drivers."""
    shutil.copytree(CORPUS, tree / PLACE, ignore=shutil.ignore_patterns("stand_ins", "__pycache__"))
    packages = next(environment_folder.glob("lib/python*/site-packages"))
    copy = tree / ".venv" / packages.relative_to(environment_folder)
    copy.mkdir(parents=True)
    for entry in packages.iterdir():
        (copy / entry.name).symlink_to(entry)
    numpy: list[str | Path] = ["--python", environment_folder / "bin/python", "--target", copy, "numpy>=2,<3"]
    must(
        [find_uv(), "pip", "install", "--quiet", *numpy], tree
    )  # a case of the corpus computes with numpy, which no service needs
    for entry in (CORPUS / "stand_ins").iterdir():
        if not (copy / entry.name).exists():  # use a real package if installed, and a stand-in otherwise
            (copy / entry.name).symlink_to(entry)
    shutil.copy(environment_folder / "pyvenv.cfg", tree / ".venv")
    (tree / ".venv/bin").mkdir()
    for program in (environment_folder / "bin").glob("python*"):
        (tree / ".venv/bin" / program.name).symlink_to(program.resolve())


def names(findings: Iterable[tuple[str, int]]) -> Iterator[Name]:
    """Yield the case or twin to which each finding of a linter belongs; a finding is a path and a line."""
    known: dict[str, Topic] = {f"{topic.name}.py": topic for kind in KINDS for topic in topics(kind)}
    for path, line in findings:
        if topic := known.get("/".join(Path(path).parts[-2:])):
            yield from topic.at(line)


def ruff(tree: Path, programs: Path) -> set[Name]:
    """Return the cases and correct twins in which `ruff check` finds something."""
    text = must([programs / "ruff", "check", "--exit-zero", "--no-cache", "--output-format=json", PLACE], tree)
    return set(
        names(
            (found["filename"], found["location"]["row"])
            for found in json.loads(text)
            if (found["code"] or "").startswith(BLOCKING)
        )
    )


def hydroid(tree: Path, programs: Path) -> set[Name]:
    """Return the cases and correct twins in which the linter hydroid finds something."""
    done = run([programs / "hydroid", ".", "--no-cache", "--python", ".venv", "--format=json"], tree)
    assert done.returncode == 1, done.stdout + done.stderr
    found = (diagnostic["location"] for diagnostic in json.loads(done.stdout)["diagnostics"])
    return set(names((location["path"], location["line"]) for location in found))


def inside(check: str) -> Callable[[Path, Path], set[Name]]:
    """Return a check that calls the corpus' routes: under the blocking-call check of the tests, or the loop monitor."""

    def judge(tree: Path, _programs: Path) -> set[Name]:
        every = [topic.name for kind in KINDS for topic in topics(kind)]
        own = environment({"SLOW_PORT": str(free_port()), "TMPDIR": str(tree)})  # some cases leave files
        text = must([tree / ".venv/bin/python", "-m", "app.loop_corpus.inside", check, *every], tree, env=own)
        return {(topic, route) for topic, route in json.loads(text.splitlines()[-1])}  # the last line follows log lines

    return judge


CHECKS = {"ruff": ruff, "hydroid": hydroid, "tests": inside("tests"), "monitor": inside("monitor")}
"""The checks for blocking calls, from the earliest that a developer meets to the latest."""

STATIC, BEFORE_RUN_TIME = ("ruff", "hydroid"), ("ruff", "hydroid", "tests")


def measure(tree: Path, environment_folder: Path) -> Found:
    """Return the routes of the corpus that each check finds in a rendered service.

    Args:
        tree: the service's folder, to which the corpus is added.
        environment_folder: the virtual environment of such a service, which is not changed.
    """
    prepare(tree, environment_folder)
    with ThreadPoolExecutor(2) as threads:  # in more threads, calls would wait for a CPU and seem to block
        calls = {name: threads.submit(check, tree, environment_folder / "bin") for name, check in CHECKS.items()}
        return {name: call.result() for name, call in calls.items()}
