"""The way of a request as a picture, drawn from the picture in letters of README.md, which a test holds."""

import re
from html import escape
from pathlib import Path

from pictures.standalone import document

ROOT = Path(__file__).resolve().parent.parent
FILE = re.compile(r"^[\s|`\\v-]*(app/[\w./]+\.py)\s{2,}(\S.*)$")
ROW, LEFT = 17, 14
LONGEST = 66
"""The most letters of a job; of a longer one, the first part is shown."""


def stops() -> list[tuple[str, str]]:
    """Return the files of a request's way with their jobs, in the order of the README."""
    picture = (ROOT / "README.md").read_text("utf-8").partition("## The request's way")[2].split("```")[1]
    found = [match.groups() for line in picture.splitlines() if (match := FILE.match(line))]
    # further down the picture has two columns, and the second one is no job of the first
    return [(str(file), "" if str(job).startswith(("|", "app/")) else str(job)) for file, job in found]


def request_way() -> str:
    """Return the picture: a line from the client to PostgreSQL, with a stop for each file."""
    rows = [("a client", ""), *stops(), ("PostgreSQL", "")]
    bottom = ROW * len(rows)
    parts = [f'<path class="arrow" d="M{LEFT} {ROW}V{bottom}"/>']
    for place, (file, job) in enumerate(rows, 1):
        y, short = ROW * place, job if len(job) <= LONGEST else job.partition(";")[0]
        parts += [
            f'<circle class="column stop" cx="{LEFT}" cy="{y}" r="3"/>',
            f'<text x="{LEFT + 10}" y="{y + 3}">{escape(file)}</text>',
            f'<text class="weak" x="{LEFT + 168}" y="{y + 3}">{escape(short)}</text>',
        ]
    return document("The way of a request", bottom + ROW, "".join(parts), {"stop": "blue"})
