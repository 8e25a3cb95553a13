"""The command `peers`: measures services of other templates beside our service, for the table of docs/performance.md.

A peer that this machine cannot run keeps the figures of its last run, and its row says so.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from benchmarks.build import build
from benchmarks.documents import read_section, replace_section
from benchmarks.layer_costs import DOCUMENT
from benchmarks.load_rounds import FEW_CONNECTIONS
from benchmarks.peer_list import OURS, PEERS, Peer
from benchmarks.peers import LOGS, NotRun, Program, fetched, running
from benchmarks.process_usage import of_tree, resident_megabytes
from benchmarks.servers import database, serving
from benchmarks.variants import SERVICE, VARIANTS
from benchmarks.workloads import Workload
from benchmarks.wrk import Load, find_wrk, send
from drawing.tables import Table, markdown_lines

SECTION = "peers"
COLUMNS = ("request", "service", "commit", "requests/s", "rate / ours", "CPU / ours", "p99 / ours", "MB", "measured")
FIGURES = slice(3, 8)
"""The columns of figures, which a peer that cannot run keeps from an earlier run."""

OUR_NAME = "this template"
ROUNDS, SECONDS = 5, 4.0
DATED = "figures of "

Row = Sequence[str]


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a peer or of our service in a single run."""

    load: Load
    cpu: float
    """CPU microseconds per request."""
    megabytes: float
    """Resident memory of all processes of the program, in megabytes."""


def measure(*, keep: bool, rounds: int, peers: Sequence[Peer] = PEERS, document: Path = DOCUMENT) -> None:
    """Measure each peer that this machine can run, in turn with our service, and write the table."""
    reasons: dict[str, str] = {}
    sources: dict[Peer, Path] = {}
    for peer in peers:
        print(f"fetching {peer.name}", flush=True)
        try:
            sources[peer] = fetched(peer)
        except NotRun as reason:
            reasons[peer.name] = str(reason)
    found = figures_of(sources, reasons, keep=keep, rounds=rounds) if sources else {}
    before = {(row[0], row[1]): row for row in rows_of(read_section(document, SECTION))}
    rows: list[Row] = []
    for request in OURS:
        ran = found.get(request, {})
        rows += [measured_row(request, name, _commit(name, peers), ran) for name in ran]
        absent = [peer for peer in peers if request in peer.paths and peer.name not in ran]
        rows += [absent_row(request, peer, reasons[peer.name], before.get((request, peer.name))) for peer in absent]
    text = "\n".join(markdown_lines(Table("Peers", COLUMNS, rows)))
    print(text)
    replace_section(document, SECTION, text)


def figures_of(
    sources: Mapping[Peer, Path], reasons: dict[str, str], *, keep: bool, rounds: int
) -> dict[str, dict[str, list[Figures]]]:
    """Return the figures of each round, by request and service; if a peer fails, store the reason instead."""
    find_wrk()
    build(keep=keep)
    ours = next(variant for variant in VARIANTS if variant.name == SERVICE)
    with database(LOGS) as postgres, ExitStack() as stack:
        url = postgres.urls["measured"]
        server = stack.enter_context(serving(ours, url, LOGS))
        programs = {OUR_NAME: Program(server.url, server.pid, OURS)}
        for peer, checkout in sources.items():
            print(f"making {peer.name}", flush=True)
            try:
                programs[peer.name] = stack.enter_context(running(peer, checkout, url))
            except NotRun as reason:
                reasons[peer.name] = str(reason)
        return {request: compare(request, programs, rounds) for request in OURS}


def compare(request: str, programs: Mapping[str, Program], rounds: int) -> dict[str, list[Figures]]:
    """Measure the programs in rounds, each of which begins with a different program, and return the figures."""
    names = [name for name, program in programs.items() if request in program.paths]
    figures: dict[str, list[Figures]] = {name: [] for name in names}
    for turn in range(rounds + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            figures[name].append(run_once(request, programs[name]))
    return {name: runs[1:] for name, runs in figures.items()}  # the first round only fills caches


def run_once(request: str, program: Program) -> Figures:
    """Send the load to a program once, and read CPU time and memory of the program's process tree."""
    before = of_tree(program.pid)
    load = send(program.url, Workload(request, request, program.paths[request]), FEW_CONNECTIONS, SECONDS)
    cpu = (of_tree(program.pid) - before) / load.requests * 1e6
    tree = psutil.Process(program.pid)
    return Figures(load, cpu, sum(resident_megabytes([tree, *tree.children(recursive=True)])))


def measured_row(request: str, name: str, commit: str, figures: Mapping[str, Sequence[Figures]]) -> Row:
    """Return the table row of a peer that ran: medians over the rounds, and medians of the ratios to our service."""
    mine, pairs = figures[name], list(zip(figures[name], figures[OUR_NAME], strict=True))
    return [
        *(request, name, commit),
        f"{median(run.load.rate for run in mine):,.0f}",
        f"{median(run.load.rate / ours.load.rate for run, ours in pairs):.2f}",
        f"{median(run.cpu / ours.cpu for run, ours in pairs):.2f}",
        f"{median(run.load.p99 / ours.load.p99 for run, ours in pairs):.2f}",
        f"{median(run.megabytes for run in mine):.0f}",
        today(),
    ]


def absent_row(request: str, peer: Peer, reason: str, before: Row | None) -> Row:
    """Return the table row of a peer that did not run: the figures and the date of the last run, if there was any."""
    figures = list(before[FIGURES]) if before else [""] * len(COLUMNS[FIGURES])
    dated = f"; {DATED}{before[-1].rpartition(DATED)[2]}" if before and any(figures) else ""
    return [request, peer.name, peer.commit[:7], *figures, f"not run on {today()}, {reason}{dated}"]


def rows_of(section: str) -> list[Row]:
    """Return the cells of each row of a Markdown table."""
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in section.splitlines()[2:]]


def today() -> str:
    """Return today's date in the form in which the table shows dates."""
    return dt.datetime.now(dt.UTC).date().isoformat()


def _commit(name: str, peers: Sequence[Peer]) -> str:
    return next((peer.commit[:7] for peer in peers if peer.name == name), "")
