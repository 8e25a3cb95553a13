"""`make top`: the console's data in a terminal, refreshed each second; `--once` prints one frame."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

from devtools.ports import FIRST_PORT, LOOPBACK
from devtools.postgres import setting
from devtools.probe import OK, probe

CLEAR = "\033[H\033[2J"
SHOWN = 15
"""How many of the newest requests and event loop stalls `make top` prints, so that the lists fit on a screen."""

LIVE, TABLES = ["gauges", "requests", "stalls", "switches"], ["settings", "routes"]
ADVICE = "start `make run`, and name the port that it prints, as in `make top args='--port 8001'`."
FORMS = {
    "gauges": "{name:36.36} {text:16} {note}",
    "requests": "{at} {status!s:>4} {milliseconds:>9} ms  {method} {path:40.40} {statements:>3} statements  {timing}",
    "stalls": "{at} {milliseconds} ms  {what}  {stack:.80}",
    "switches": "{name:20} {state:12} of {states}",
}


def plain(text: str) -> str:
    """Return a text without control characters, with which a client could move the cursor of the terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def lines(frame: dict[str, Any], sections: list[str]) -> Iterator[str]:
    """Yield the lines of text that show the console's JSON about the service at one moment."""
    ready = ", ".join(frame["not_ready"]) or "ready"
    yield plain(f"{frame['service']}: {ready}; {frame['migrations']}")
    for section in sections:
        yield f"\n{section.upper()}"
        if section in TABLES:
            widths = [max(map(len, column)) for column in zip(*frame[section], strict=True)]
            yield from (plain("  ".join(map(str.ljust, row, widths)).rstrip()) for row in frame[section])
            continue
        for one in frame[section][: -SHOWN - 1 : -1] if section in {"requests", "stalls"} else frame[section]:
            yield plain(FORMS[section].format(**one))


def main(arguments: list[str]) -> int:
    """Print the console's data each second until Ctrl-C, and return the exit code."""
    parser = argparse.ArgumentParser(prog="make top", description=__doc__)
    parser.add_argument("sections", nargs="*", choices=[*LIVE, *TABLES, []], help="the parts to print")
    parser.add_argument("--once", action="store_true", help="print one frame, and end")
    parser.add_argument("--port", default=setting("PORT") or FIRST_PORT, help="the port that `make run` printed")
    options = parser.parse_args(arguments)
    while True:
        status, body = probe(f"http://{LOOPBACK}:{options.port}", "/_console/frame")
        if status != OK:
            print(f"No console answers at port {options.port}: {ADVICE}", file=sys.stderr)
            return 1
        shown = "\n".join(lines(json.loads(body), options.sections or LIVE))
        print(shown if options.once else CLEAR + shown, flush=True)
        if options.once:
            return 0
        time.sleep(1)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(0)
