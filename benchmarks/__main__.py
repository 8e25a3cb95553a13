"""The commands of the bench: `python -m benchmarks [compare|ladder|engines|offload] [--soak N]`."""

import argparse
import sys
from collections.abc import Sequence

from benchmarks import compare, engines, ladder, offload, soak
from benchmarks.answers import DifferentAnswers
from benchmarks.build import BuildError, build
from benchmarks.inside import InsideError
from benchmarks.load import LoadError, find_wrk
from benchmarks.reasons import NoReason
from benchmarks.workloads import WORKLOADS

# AssertionError is how tests.programs says that a program did not start.
EXPECTED = (BuildError, DifferentAnswers, InsideError, LoadError, NoReason, AssertionError)
STOPPED = 130
"""The exit code of a shell for what Ctrl-C ended."""


def positive(text: str) -> int:
    """Read a number that makes sense as a count."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1 on")
    return int(text)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure a generated service.")
    parser.add_argument("command", nargs="?", choices=("compare", "ladder", "engines", "offload"), default="compare")
    parser.add_argument("--quick", action="store_true", help="three short rounds, in less than three minutes")
    parser.add_argument("--rounds", type=positive, help="how often everything is measured; 5, and 3 when quick")
    parser.add_argument("--only", nargs="+", choices=[workload.name for workload in WORKLOADS], help="these workloads")
    parser.add_argument("--keep", action="store_true", help="measure the generated folder as it is, changes included")
    parser.add_argument("--soak", type=positive, metavar="N", help="only send N requests and report how memory grows")
    return parser.parse_args(arguments)


def measure(chosen: argparse.Namespace) -> None:
    """Run the command."""
    if chosen.command == "engines":
        engines.measure(chosen.rounds or engines.ROUNDS)
        return
    if chosen.command == "compare":
        find_wrk()  # before the minutes that come first
    print("generating and installing the service into .build/bench/", flush=True)
    build(keep=chosen.keep)
    if chosen.command == "ladder":
        ladder.run(rounds=chosen.rounds or ladder.ROUNDS)
    elif chosen.command == "offload":
        offload.measure()
    elif chosen.soak:
        soak.run(chosen.soak)
    else:
        compare.run(quick=chosen.quick, rounds=chosen.rounds, only=chosen.only)


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; what it had started has ended by then."""
    chosen = parse(arguments)
    try:
        measure(chosen)
    except EXPECTED as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return STOPPED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
