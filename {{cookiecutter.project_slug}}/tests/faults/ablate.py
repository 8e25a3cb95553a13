"""Leave each defence out, one at a time, and see its fault test go red: `python -m tests.faults.ablate [NAME ...]`.

A defence whose absence nobody notices is a bug of the suite. First the same tests run with everything in its place.
`--into FILE` writes the table between the marks of a document.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

from tests.databases import ROOT
from tests.faults.defences import DEFENCES, Defence

HERE = Path(__file__).parent
BEGIN, END = "<!-- ablation: begin -->", "<!-- ablation: end -->"
PASSED, FAILED, BROKEN = 0, 1, 3
"""pytest's exit codes; there are others, for tests that are not found and for what breaks before a test."""

BOOT = """
from tests.server.processes import gunicorn
with gunicorn("postgresql://nobody@127.0.0.1:1/none", WEB_CONCURRENCY="1") as service:
    service.wait_until_serving()
"""
"""Without a defence it still has to serve: a test that fails because nothing starts has noticed nothing."""

TIMEOUT_SECONDS = 900
"""All tests that are named here take two minutes; one that hangs ends the run."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one test."""

    code: int
    seconds: float
    output: str

    @property
    def noticed(self) -> bool:
        """Whether a test failed, and not only what prepares it."""
        return self.code == FAILED and " failed" in self.output.splitlines()[-1]


def run(tests: Sequence[str], without: str = "") -> Verdict:
    """Run tests until the first failure; none when the service cannot be composed that way, which shows nothing."""
    booted = python(["-c", BOOT, "pytest"], without)  # the word keeps this process itself as it is
    if booted.code != PASSED:
        return replace(booted, code=BROKEN)
    named = [f"tests/faults/{test}" for test in tests]
    return python(["-m", "pytest", "-q", "-x", "-n0", "-p", "no:cacheprovider", *named], without)


def python(arguments: Sequence[str], without: str) -> Verdict:
    """Run Python without a defence."""
    path = os.pathsep.join([str(HERE / "without"), str(ROOT)])
    began = perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "WITHOUT": without},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    return Verdict(done.returncode, perf_counter() - began, done.stdout.strip() or done.stderr or "nothing")


def ablate(names: Sequence[str]) -> Iterator[tuple[Defence, Verdict]]:
    """Yield each defence and what its test says without it."""
    for number, name in enumerate(names, 1):
        say(f"[{number}/{len(names)}] without {name}: ")
        verdict = run([DEFENCES[name].test], without=DEFENCES[name].variable)
        say(f"{'noticed' if verdict.noticed else 'NOT NOTICED'} after {verdict.seconds:.0f} s\n")
        if not verdict.noticed:
            say(verdict.output[-3000:] + "\n")
        yield DEFENCES[name], verdict


def table(found: Mapping[str, bool]) -> Iterator[str]:
    """Yield a line for each defence."""
    yield "| without it | which is in | this fault test | |"
    yield "|---|---|---|---|"
    for name, noticed in found.items():
        one = DEFENCES[name]
        test = one.test.replace(".py::test_", ": ").removeprefix("test_").removesuffix(".py").replace("_", " ")
        yield f"| {one.what} | `{file_of(one)}` | {test} | {'goes red' if noticed else 'STAYS GREEN'} |"


def file_of(defence: Defence) -> str:
    """Return where its part is."""
    module = defence.part.partition(":")[0]
    return "gunicorn.conf.py" if module == "gunicorn.conf" else f"{module.replace('.', '/')}.py"


def write(lines: Sequence[str], file: Path) -> None:
    """Put the table between the marks."""
    before, rest = file.read_text("utf-8").split(BEGIN)
    after = rest.split(END)[1]
    file.write_text("\n".join([f"{before}{BEGIN}", *lines, f"{END}{after}"]), "utf-8")


def say(text: str) -> None:
    """Show progress at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    """Return 0 when every absence was noticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.ablate", description="Leave defences out.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {', '.join(DEFENCES)}")
    parser.add_argument("--into", type=Path, metavar="FILE", help="a document with the marks of the table")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - DEFENCES.keys():
        parser.error(f"no defence is named {', '.join(sorted(unknown))}; there are: {', '.join(DEFENCES)}")
    names = options.names or list(DEFENCES)
    tests = list(dict.fromkeys(DEFENCES[name].test for name in names))
    say(f"first {len(tests)} tests with everything in its place: ")
    intact = run(tests)
    if intact.code != PASSED:
        say(f"red already, so nothing can be learnt:\n{intact.output[-3000:]}\n")
        return 1
    say(f"green after {intact.seconds:.0f} s\n")
    found = {name: verdict.noticed for name, (_, verdict) in zip(names, ablate(names), strict=True)}
    lines = list(table(found))
    say("\n".join(["", *lines, ""]))
    if options.into:
        write(lines, options.into)
    return 0 if all(found.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
