"""The way of a request through the files of a service as an SVG picture, drawn from the text diagram of README.md."""

import re
from html import escape
from pathlib import Path

from pictures.standalone import document

ROOT = Path(__file__).resolve().parent.parent
FILE = re.compile(r"^[\s|`\\v-]*(app/[\w./]+\.py)\s{2,}(\S.*)$")
ROW, LEFT, JOBS = 17, 14, 162  # from JOBS on, the longest job fits into the picture in a wide font
LONGEST = 66
"""The most letters of a file's description; of a longer description, the first part is shown."""


def stops() -> list[tuple[str, str]]:
    """Return the files that a request passes, each with a short description, in the sequence of README.md."""
    picture = (ROOT / "README.md").read_text("utf-8").partition("## The request's way")[2].split("```")[1]
    found = [match.groups() for line in picture.splitlines() if (match := FILE.match(line))]
    # below, the diagram has two columns, and the text of the second column is not the job of the first column's file
    return [(str(file), "" if str(job).startswith(("|", "app/")) else str(job)) for file, job in found]


def request_way() -> str:
    """Return the picture of a request's way: a line from the client to PostgreSQL, with a stop for each file."""
    rows = [("a client", ""), *stops(), ("PostgreSQL", "")]
    bottom = ROW * len(rows)
    parts = [f'<path class="arrow" d="M{LEFT} {ROW}V{bottom}"/>']
    for place, (file, job) in enumerate(rows, 1):
        y, short = ROW * place, job if len(job) <= LONGEST else job.partition(";")[0]
        parts += [
            f'<circle class="column stop" cx="{LEFT}" cy="{y}" r="3"/>',
            f'<text x="{LEFT + 10}" y="{y + 3}">{escape(file)}</text>',
            f'<text class="weak" x="{JOBS}" y="{y + 3}">{escape(short)}</text>',
        ]
    return document("The way of a request", bottom + ROW, "".join(parts), {"stop": "blue"})
