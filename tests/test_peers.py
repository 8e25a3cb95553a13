"""Peers are services of other templates, with which the benchmarks compare.

A peer that this machine cannot run gets a row that says so; a peer that it can run is built from the pinned commit.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import peers
from benchmarks.documents import read_section
from benchmarks.peer_list import LIST, NO_DATABASE, PEERS, Peer
from benchmarks.peer_table import COLUMNS, SECTION, absent_row, measure, rows_of, today
from benchmarks.peers import NotRun, fetched
from tests.programs import must

UNREACHABLE = "http://127.0.0.1:9/peer"
SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/live" else 404)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    """Use a separate folder for the checkouts of peers in each test."""
    own, peers.FOLDER = peers.FOLDER, tmp_path / "peers"
    yield tmp_path
    peers.FOLDER = own


def repository(folder: Path) -> tuple[str, str]:
    """Return the address of a git repository with two commits, and the first commit."""
    sources = folder / "sources"
    sources.mkdir()
    git = ("git", "-c", "user.name=Somebody", "-c", "user.email=nobody@example.com", "-c", "commit.gpgsign=false")
    must(["git", "init", "--quiet", "."], sources)
    must(["git", "config", "uploadpack.allowAnySHA1InWant", "true"], sources)
    for text in (SERVER, "raise SystemExit('the second commit')"):
        (sources / "server.py").write_text(text)
        must(["git", "add", "server.py"], sources)
        must([*git, "commit", "--quiet", "--message", "A commit"], sources)
    return sources.as_uri(), must(["git", "rev-parse", "HEAD~1"], sources).strip()


def peer(address: str = UNREACHABLE, commit: str = "0" * 40) -> Peer:
    """Return a peer whose service is a file server for the peer's own sources."""
    return Peer("a-peer", address, commit, make=(), serve="python3 server.py {port}", paths={NO_DATABASE: "/live"})


def test_the_sources_are_those_of_the_commit(folder: Path) -> None:
    checkout = fetched(peer(*repository(folder)))

    assert (checkout / "server.py").read_text() == SERVER
    assert fetched(peer(*(checkout.as_uri(), must(["git", "rev-parse", "HEAD"], checkout).strip()))) == checkout


@pytest.mark.parametrize("commit", ["0" * 40, "not-a-commit"])
def test_a_commit_that_is_not_there_is_a_reason(folder: Path, commit: str) -> None:
    address, _ = repository(folder)

    with pytest.raises(NotRun, match="git fetch"):
        fetched(peer(address, commit))


def test_an_unreachable_peer_keeps_the_figures_of_its_last_run(folder: Path) -> None:
    old = [NO_DATABASE, "a-peer", "1234567", "1,000", "0.50", "2.00", "3.00", "99", "2026-11-01"]
    document = folder / "document.md"
    lines = [f"| {' | '.join(row)} |" for row in (COLUMNS, ["---"] * len(COLUMNS), old)]
    document.write_text("\n".join([f"<!-- {SECTION}: begin -->", *lines, f"<!-- {SECTION}: end -->"]))

    for _ in range(2):
        measure(keep=False, rounds=1, peers=[peer()], document=document)

    ((*kept, measured),) = rows_of(read_section(document, SECTION))
    assert kept == [NO_DATABASE, "a-peer", "0000000", *old[3:8]]
    assert measured.startswith(f"not run on {today()}, git fetch: ")
    assert measured.endswith("; figures of 2026-11-01")


def test_a_peer_that_never_ran_has_no_figures() -> None:
    row = absent_row(LIST, peer(), "git is not installed", None)

    assert row == [LIST, "a-peer", "0000000", *[""] * 5, f"not run on {today()}, git is not installed"]


def test_a_pinned_commit_is_a_whole_one() -> None:
    assert [len(found.commit) for found in PEERS] == [40] * len(PEERS)
