"""Ablation: runs each fault test with its defence switched off: `python -m tests.faults.ablate [NAME ...]`.

A test that still passes without its defence proves nothing: this is a bug of the test suite. First, the same tests run
with all defences on and must pass. `--into FILE` writes the table of outcomes between two marks of a document.
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
"""The two comments in a Markdown document between which `--into` writes the table of outcomes."""
PASSED, FAILED, BROKEN = 0, 1, 3
"""Exit codes of pytest: all tests passed, a test failed, and an internal error."""

BOOT = """
from tests.server.processes import gunicorn
with gunicorn("postgresql://nobody@127.0.0.1:1/none", WEB_CONCURRENCY="1") as service:
    service.wait_until_serving()
"""
"""A program that starts the service. Without this check, a test could fail only because the service does not start at
all with the defence switched off."""

TIMEOUT_SECONDS = 900
"""The timeout of a pytest run, in seconds. All tests of the table take two minutes, so only a hanging test exceeds the
timeout, which ends the ablation."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The exit code, duration in seconds and output of a run of pytest."""

    code: int
    seconds: float
    output: str

    @property
    def went_red(self) -> bool:
        """Whether a test itself failed: an error in a fixture does not prove that the test needs the defence."""
        return self.code == FAILED and " failed" in self.output.splitlines()[-1]


def run(tests: Sequence[str], ablated: str = "") -> Verdict:
    """Run tests with the defence `ablated` switched off, stopping at the first failure.

    The verdict is BROKEN, and no test runs, if the service does not start without the defence.
    """
    # The argument "pytest" keeps the defence in the started process; only the service that this process starts loses
    # the defence.
    booted = python(["-c", BOOT, "pytest"], ablated)
    if booted.code != PASSED:
        return replace(booted, code=BROKEN)
    named = [f"tests/{test}" for test in tests]
    return python(["-m", "pytest", "-q", "-x", "-n0", "-p", "no:cacheprovider", *named], ablated)


def python(arguments: Sequence[str], ablated: str) -> Verdict:
    """Run Python with the defence `ablated` switched off in all processes of the service; "" switches nothing off."""
    path = os.pathsep.join([str(HERE / "ablated"), str(ROOT)])
    began = perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "ABLATED": ablated},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    return Verdict(done.returncode, perf_counter() - began, done.stdout.strip() or done.stderr or "nothing")


def ablate(names: Sequence[str]) -> Iterator[tuple[Defence, Verdict]]:
    """Run the fault test of each named defence with the defence switched off, and yield the defence and the outcome."""
    for number, name in enumerate(names, 1):
        say(f"[{number}/{len(names)}] without {name}: ")
        verdict = run([DEFENCES[name].test], ablated=DEFENCES[name].variable)
        say(f"{'red' if verdict.went_red else 'STILL GREEN'} after {verdict.seconds:.0f} s\n")
        if not verdict.went_red:
            say(verdict.output[-3000:] + "\n")
        yield DEFENCES[name], verdict


def table(went_red: Mapping[str, bool]) -> Iterator[str]:
    """Yield the Markdown lines of the table of defences; `went_red` says for each name whether the test failed."""
    yield "| promise | file | test without the defence | outcome |"
    yield "|---|---|---|---|"
    for name, red in went_red.items():
        defence = DEFENCES[name]
        test = defence.test.partition("/test_")[2].replace(".py::test_", ": ").removesuffix(".py").replace("_", " ")
        yield f"| {defence.promise} | `{file_of(defence)}` | {test} | {'goes red' if red else 'STAYS GREEN'} |"


def file_of(defence: Defence) -> str:
    """Return the path of the source file that contains a defence, such as the code of a timeout."""
    module = defence.part.partition(":")[0]
    return "gunicorn.conf.py" if module == "gunicorn.conf" else f"{module.replace('.', '/')}.py"


def write(lines: Sequence[str], file: Path) -> None:
    """Write the table of outcomes between the comments BEGIN and END of a document."""
    before, rest = file.read_text("utf-8").split(BEGIN)
    after = rest.split(END)[1]
    file.write_text("\n".join([f"{before}{BEGIN}", *lines, f"{END}{after}"]), "utf-8")


def say(text: str) -> None:
    """Write progress to standard output without a line break, and flush, so that it is visible during a test."""
    sys.stdout.write(text)
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    """Run the fault test of each named defence with the defence switched off; return 0 if each test has failed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.ablate", description="Run fault tests with a defence switched off."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"defences: {', '.join(DEFENCES)}")
    parser.add_argument("--into", type=Path, metavar="FILE", help="a document with the marks of the table")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - DEFENCES.keys():
        parser.error(f"no defence is named {', '.join(sorted(unknown))}; there are: {', '.join(DEFENCES)}")
    names = options.names or list(DEFENCES)
    tests = list(dict.fromkeys(DEFENCES[name].test for name in names))
    say(f"first {len(tests)} tests with all defences: ")
    intact = run(tests)
    if intact.code != PASSED:
        say(f"red with all defences, so that the ablation proves nothing:\n{intact.output[-3000:]}\n")
        return 1
    say(f"green after {intact.seconds:.0f} s\n")
    found = {name: verdict.went_red for name, (_, verdict) in zip(names, ablate(names), strict=True)}
    lines = list(table(found))
    say("\n".join(["", *lines, ""]))
    if options.into:
        write(lines, options.into)
    return 0 if all(found.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
