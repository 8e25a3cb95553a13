"""A bound on the values of a JSON body, checked before the body is parsed.

Each value of a wrong type, and each unknown key, becomes a validation error, which costs pydantic and FastAPI about 10
microseconds on the event loop. So a bound on the size of a body is not enough: 64 kB may cause 32,000 errors.
"""

import re
from itertools import islice

TOKEN = re.compile(rb',|"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""Matches a comma or a whole JSON string, as a comma inside a string separates no values. The closing quote is
optional: without a closing quote, the search would otherwise begin again at every quote."""

COMMA = ord(",")


def has_more_values(body: bytes | bytearray, most: int) -> bool:
    """Tell whether a JSON body has more than `most` values; keys of objects do not count, as each has a value.

    Commas separate values, so the function counts commas. Most bodies have fewer than `most` commas, and need no
    further search. In a body with NUL bytes, which is UTF-16 or UTF-32, commas inside of strings count too.
    """
    if body.count(b",") < most:
        return False
    if b"\0" in body:
        return True
    # A JSON value has at most three tokens, a key, a string and a comma: examine no more than three tokens per value.
    tokens = [body[token.start()] for token in islice(TOKEN.finditer(body), 3 * most)]
    return len(tokens) == 3 * most or tokens.count(COMMA) >= most
