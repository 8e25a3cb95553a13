"""The load test counts failures by kind, refuses unsafe arguments, and leaves no process behind."""

import re
import secrets
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path
from threading import Thread

import pytest

from devtools.load.__main__ import parse
from devtools.load.calls import CALLS
from devtools.tests.server_users import PROJECT, marked, read_until, run

posix = pytest.mark.skipif(sys.platform == "win32", reason="starts gunicorn and sends signals")


class FailsInTurn(BaseHTTPRequestHandler):
    """An HTTP server that in turn answers 200, 503, 504, closes the connection without a response, and answers 500."""

    protocol_version = "HTTP/1.1"
    statuses = cycle((200, 503, 504, 0, 500))

    def handle_one_request(self) -> None:
        """Answer a request of any HTTP method, without a handler for each method, such as `do_GET`."""
        self.raw_requestline = self.rfile.readline()
        if self.parse_request():
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            if status := next(self.statuses):
                self.wfile.write(f"HTTP/1.1 {status} x\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n".encode())
            self.close_connection = not status


def rows(output: str) -> dict[str, list[str]]:
    """Return the cells of each row of the printed Markdown table, by route."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in output.splitlines() if line[:1] == "|"]
    return {cells[0]: cells[1:] for cells in lines[2:]}


@posix
def test_an_open_loop_starts_a_service_and_sends_the_given_number_of_requests(tmp_path: Path) -> None:
    mark, page = secrets.token_hex(8), tmp_path / "page.html"
    done = run("-m", "devtools.load", "--rate", "40", "--seconds", "3", "--report", str(page), MARK=mark)
    table = rows(done.stdout)

    html = page.read_text()
    assert (done.returncode, done.stderr, marked(mark)) == (0, "", [])
    assert "120 were due at 40 a second" in done.stdout
    assert (table["all"][0], table["all"][5:]) == ("120", ["0"] * 4)
    assert {call.route for call in CALLS} | {"all"} >= table.keys()
    assert len(re.findall(r"^ +\d s   40/s due .* requests/s   p95 +\d+ ms +0 errors$", done.stdout, re.MULTILINE)) >= 2
    assert all(text in html for text in ("<svg", "p99 ms", *table))
    assert re.findall(r"""(?:src|href)=["'](?!#)|url\((?!#)|@import""", html) == []


@posix
def test_each_kind_of_failure_is_counted_and_ctrl_c_ends_with_the_report_so_far(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), FailsInTurn) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url, page = f"http://localhost:{server.server_port}", str(tmp_path / "page")
        options = ["--url", url, "--users", "4", "--report", page]
        with subprocess.Popen(
            [sys.executable, "-m", "devtools.load", *options], cwd=PROJECT, stdout=subprocess.PIPE, text=True
        ) as process:
            read_until(process, " 3 s ")
            process.send_signal(signal.SIGINT)
            rest = read_until(process, "report: ")
        server.shutdown()

    sent, *_, overload, deadline, connection, other = rows(rest)["all"]
    assert all(int(count) > 1 for count in (overload, deadline, connection, other))
    assert int(sent) < 200  # every fifth response is a 503, after which a user pauses for 1 s
    assert re.search(r"[1-9]\d* requests were second attempts", rest)
    assert f"Other failures: {other} x HTTP 500." in rest


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--users 0", "--users is a number from 1 to 1000"),
        ("--rate nan", "--rate is a number from 1 to 2000"),
        ("--seconds 301", "--seconds is a number from 1 to 300"),
        ("--users many", "argument --users: invalid int value: 'many'"),
        ("--users 2 --rate 2", "argument --rate: not allowed with argument --users"),
        (
            "--url http://far.example",
            "http://far.example is not on this machine, and this load can take a service down",
        ),
        ("--url here", "here is not an address such as http://127.0.0.1:8000"),
        ("--url http://127.0.0.1:1", "no service answers at http://127.0.0.1:1 "),
        ("--report .", ". cannot be written: "),
    ],
)
def test_a_wrong_argument_is_answered_with_a_sentence(
    arguments: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        parse(arguments.split())

    output = capsys.readouterr().err
    assert end.value.code == 2
    assert output.startswith(f"python -m devtools.load: error: {sentence}")
    assert output.count("\n") == 1
