"""The commands of the bench: `python -m benchmarks [compare|ladder] [--soak N]`."""

import argparse
import sys
from collections.abc import Sequence

from benchmarks import compare, ladder, soak
from benchmarks.answers import DifferentAnswers
from benchmarks.build import BuildError, build
from benchmarks.load import LoadError
from benchmarks.workloads import WORKLOADS


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure a generated service.")
    parser.add_argument("command", nargs="?", choices=("compare", "ladder"), default="compare")
    parser.add_argument("--quick", action="store_true", help="three short rounds, in less than three minutes")
    parser.add_argument("--rounds", type=int, help="how often everything is measured; 5, and 3 when quick")
    parser.add_argument("--only", nargs="+", choices=[workload.name for workload in WORKLOADS], help="these workloads")
    parser.add_argument("--keep", action="store_true", help="measure the generated folder as it is, changes included")
    parser.add_argument("--soak", type=int, metavar="N", help="send N requests and report how the memory grows")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    chosen = parse(arguments)
    try:
        print("generating and installing the service into .build/bench/", flush=True)
        build(keep=chosen.keep)
        if chosen.command == "ladder":
            ladder.run(rounds=chosen.rounds or ladder.ROUNDS)
        elif chosen.soak:
            soak.run(chosen.soak)
        else:
            compare.run(quick=chosen.quick, rounds=chosen.rounds, only=chosen.only)
    except (BuildError, DifferentAnswers, LoadError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
