"""A bound on the values of a JSON body, checked before the body is parsed.

Each value of a wrong type, and each unknown key, becomes a validation error, which costs about 10 us of the event loop
in pydantic and FastAPI. So the size of a body does not bound its cost: 64 kB may hold 32,000 errors.
"""

import re
from itertools import islice

TOKEN = re.compile(rb',|"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""Matches a comma, or a whole string, as a comma inside a string separates no values. The closing quote is optional: if
the quote is missing, the search would otherwise begin again at every quote."""

COMMA = ord(",")


def has_more_values(body: bytes | bytearray, most: int) -> bool:
    """Tell whether a JSON body has more than `most` values; keys of objects do not count, as each has a value.

    Values are separated by commas, so commas are counted. Most bodies have fewer than `most` commas, and need no
    further search. In a body with NUL bytes, which is UTF-16 or UTF-32, commas inside of strings count too.
    """
    if body.count(b",") < most:
        return False
    if b"\0" in body:
        return True
    # each value has at most three tokens: key, string and comma
    tokens = [body[token.start()] for token in islice(TOKEN.finditer(body), 3 * most)]
    return len(tokens) == 3 * most or tokens.count(COMMA) >= most
