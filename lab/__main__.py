"""The command of the lab, which walks through the experiments: `python -m lab [--only NAME ...] [--quick]`."""

import argparse
import sys
import textwrap
from collections.abc import Sequence

from drawing.tables import Table, aligned_lines
from lab import cpu, downstream, gather, pool, sessions, waiting
from lab.experiment import Experiment, Finding, LabError, Setting
from lab.page import page
from lab.servers import BUILD, installed, serving

EXPERIMENTS = {
    module.EXPERIMENT.name: module.EXPERIMENT for module in (waiting, cpu, sessions, gather, pool, downstream)
}
PAGE = BUILD / "report.html"
STOPPED = 130
"""The exit code that a shell reports for a program that Ctrl-C has ended."""

EXPECTED = (LabError, AssertionError, OSError)
"""Errors of which only the message is printed, without a traceback.

`tests.programs` raises AssertionError for a program that did not start.
"""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the options of the lab's command line."""
    parser = argparse.ArgumentParser(prog="python -m lab", description="Show what an event loop does, on this machine.")
    parser.add_argument("--only", nargs="+", choices=EXPERIMENTS, default=list(EXPERIMENTS), help="these experiments")
    parser.add_argument("--quick", action="store_true", help="each experiment once, without a stop between them")
    return parser.parse_args(arguments)


def run(experiments: Sequence[Experiment], *, quick: bool) -> None:
    """Start the lab's servers, walk through the experiments, and write the page of results."""
    print("generating, installing and starting a service; a minute the first time", flush=True)
    with (
        installed() as service,
        serving(service, service.folder, database=any(experiment.database for experiment in experiments)) as address,
    ):
        setting = Setting(address, quick=quick, note=lambda text: print(f"    {text}", flush=True))
        done = walk(experiments, setting, pause=sys.stdin.isatty() and not quick)
    PAGE.write_text(page(done), "utf-8")
    print(f"the page with the plots: {PAGE.as_uri()}")


def walk(experiments: Sequence[Experiment], setting: Setting, *, pause: bool) -> list[tuple[Experiment, Finding]]:
    """Run the experiments in turn, and print the expectation and the finding of each experiment."""
    done = []
    for number, experiment in enumerate(experiments, start=1):
        print(f"\n[{number}/{len(experiments)}] {experiment.title}\n")
        say(experiment.expect)
        if pause:
            input("  Enter starts it. ")
        finding = experiment.run(setting)
        show(finding.table)
        say(finding.sentence)
        say(f"If yours differ: {experiment.difference}")
        done.append((experiment, finding))
    return done


def say(text: str) -> None:
    """Print a paragraph, wrapped for the terminal."""
    print(textwrap.fill(text, 100, initial_indent="  ", subsequent_indent="  ") + "\n", flush=True)


def show(table: Table) -> None:
    """Print a table of an experiment, below the table's title."""
    print(f"\n  {table.title}")
    for line in aligned_lines(table):
        print(f"    {line}")
    print()


def main(arguments: Sequence[str]) -> int:
    """Run the lab, and return the exit code once all started programs have ended."""
    chosen = parse(arguments)
    try:
        run([EXPERIMENTS[name] for name in chosen.only], quick=chosen.quick)
    except EXPECTED as error:
        print(error, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):  # Ctrl-C at any time, or Ctrl-D where Enter was expected
        print("\nstopped", file=sys.stderr)
        return STOPPED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
