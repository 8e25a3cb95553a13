"""The text of an SQL statement for log lines and traces, without values."""

import re
from functools import lru_cache

MAX_TEXT = 200
"""The longest text, in characters; on a log line, a hash identifies a longer statement."""

LITERAL = re.compile(r"'|\$[A-Za-z_]*\$")
"""The marks of a quoted value inside of a text: SQLAlchemy writes placeholders, but a hand-written text may quote."""

NUMBER = re.compile(r"(?<![\w$])\d+(?:\.\d+)?")


@lru_cache(maxsize=256)
def public_text(sql: str) -> str | None:
    """Return the beginning of an SQL text with `?` for each number, or None for a text that has a quoted value."""
    return None if LITERAL.search(sql) else NUMBER.sub("?", sql)[:MAX_TEXT]
