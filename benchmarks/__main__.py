"""Commands of the benchmarks: `python -m benchmarks [COMMAND] [--soak N]`; without a command, `compare`."""

import argparse
import sys
from collections.abc import Sequence

from benchmarks import (
    compare,
    http_clients,
    job_queues,
    layer_costs,
    observed_costs,
    offload_costs,
    peer_table,
    soak_test,
)
from benchmarks.build import BuildError, build
from benchmarks.documents import MissingSection
from benchmarks.equal_answers import DifferentAnswers
from benchmarks.in_process import InProcessError
from benchmarks.layer_reasons import MissingReason
from benchmarks.workloads import WORKLOADS
from benchmarks.wrk import LoadError, find_wrk

EXPECTED = (BuildError, DifferentAnswers, InProcessError, LoadError, MissingReason, MissingSection, AssertionError)
"""Errors of which only the message is printed, as a traceback would tell a developer nothing more.

`tests.programs` raises AssertionError for a program that did not start.
"""

STOPPED = 130
"""The exit code that a shell reports for a program ended by Ctrl-C."""


def positive(text: str) -> int:
    """Return a command line argument as a count, an integer from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1 on")
    return int(text)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the parsed command line of the benchmarks."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure a generated service.")
    commands = ("compare", "layers", "observed", "http-clients", "offload", "jobs", "peers")
    parser.add_argument("command", nargs="?", choices=commands, default="compare")
    parser.add_argument("--quick", action="store_true", help="three short rounds, in less than three minutes")
    parser.add_argument("--rounds", type=positive, help="rounds of every measurement; 5, and 3 when quick")
    parser.add_argument("--only", nargs="+", choices=[workload.name for workload in WORKLOADS], help="these workloads")
    parser.add_argument("--keep", action="store_true", help="measure the generated folder as it is, changes included")
    parser.add_argument("--soak", type=positive, metavar="N", help="only send N requests and report memory growth")
    return parser.parse_args(arguments)


def measure(chosen: argparse.Namespace) -> None:
    """Run the benchmark that the command line names."""
    if chosen.command == "http-clients":
        http_clients.measure(chosen.rounds or http_clients.ROUNDS)
        return
    if chosen.command == "jobs":
        job_queues.measure(chosen.rounds or job_queues.ROUNDS)
        return
    if chosen.command == "peers":
        peer_table.measure(keep=chosen.keep, rounds=chosen.rounds or peer_table.ROUNDS)
        return
    if chosen.command == "compare":
        find_wrk()  # reports a missing load generator now, not after a build of several minutes
    print("generating and installing the service into .build/bench/", flush=True)
    build(keep=chosen.keep)
    if chosen.command == "layers":
        layer_costs.run(rounds=chosen.rounds or layer_costs.ROUNDS)
    elif chosen.command == "observed":
        observed_costs.run(rounds=chosen.rounds or observed_costs.ROUNDS)
    elif chosen.command == "offload":
        offload_costs.measure()
    elif chosen.soak:
        soak_test.run(chosen.soak)
    else:
        compare.run(quick=chosen.quick, rounds=chosen.rounds, only=chosen.only)


def main(arguments: Sequence[str]) -> int:
    """Run a command of the benchmarks, and return the exit code once all started programs have ended."""
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
