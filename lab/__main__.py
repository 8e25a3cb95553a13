"""Walk through the experiments: `python -m lab [--only NAME ...] [--quick]`."""

import argparse
import sys
import textwrap
from collections.abc import Sequence

from benchmarks.report import Table

from lab import computing, gathering, neighbour, pool, sessions, waves
from lab.experiment import Experiment, Finding, LabError, Setting
from lab.page import page
from lab.running import BUILD, installed, serving

EXPERIMENTS = {
    module.EXPERIMENT.name: module.EXPERIMENT for module in (waves, computing, sessions, gathering, pool, neighbour)
}
PAGE = BUILD / "report.html"
STOPPED = 130
"""The exit code of a shell for what Ctrl-C ended."""

EXPECTED = (LabError, AssertionError, OSError)
"""AssertionError is how tests.programs says that a program did not start."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m lab", description="Try what an event loop does, on this machine.")
    parser.add_argument("--only", nargs="+", choices=EXPERIMENTS, default=list(EXPERIMENTS), help="these experiments")
    parser.add_argument("--quick", action="store_true", help="each once, without a stop between them")
    return parser.parse_args(arguments)


def run(experiments: Sequence[Experiment], *, quick: bool) -> None:
    """Start what they need, walk through them and write the page."""
    print("generating, installing and starting a service; a minute the first time", flush=True)
    with (
        installed() as service,
        serving(service, service.folder, database=any(one.database for one in experiments)) as at,
    ):
        setting = Setting(at, quick=quick, note=lambda text: print(f"    {text}", flush=True))
        done = walk(experiments, setting, pause=sys.stdin.isatty() and not quick)
    PAGE.write_text(page(done), "utf-8")
    print(f"the page with the plots: {PAGE}")


def walk(experiments: Sequence[Experiment], setting: Setting, *, pause: bool) -> list[tuple[Experiment, Finding]]:
    """Run the experiments one by one and show what to expect and what happened."""
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
    """Print a paragraph."""
    print(textwrap.fill(text, 100, initial_indent="  ", subsequent_indent="  ") + "\n", flush=True)


def show(table: Table) -> None:
    """Print a table."""
    rows = [table.header, *table.rows]
    widths = [max(len(row[place]) for row in rows) for place in range(len(table.header))]
    print(f"\n  {table.title}")
    for row in rows:
        print("    " + "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print()


def main(arguments: Sequence[str]) -> int:
    """Run the lab and return its exit code; what it had started has ended by then."""
    chosen = parse(arguments)
    try:
        run([EXPERIMENTS[name] for name in chosen.only], quick=chosen.quick)
    except EXPECTED as error:
        print(error, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):  # Ctrl-C, or Ctrl-D where Enter was expected
        print("\nstopped", file=sys.stderr)
        return STOPPED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
