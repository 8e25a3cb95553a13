"""A bound on the values of a JSON body, checked before the body is parsed.

Each value of a wrong type, and each unknown key, becomes a validation error, which costs about 10 us of the event loop
in pydantic and FastAPI. So the size of a body does not bound its cost: 64 kB may hold 32,000 errors.
"""

import re
from itertools import islice

TOKEN = re.compile(rb',|"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""A comma, or a string, in which a comma separates nothing. The closing quote is optional, since a search for a missing
one would begin again at every quote."""

COMMA = ord(",")


def has_more_values(body: bytes | bytearray, most: int) -> bool:
    """Tell whether a JSON body has more than `most` values; keys of objects do not count, as each has a value.

    A comma separates two values, so counting the commas suffices, and most bodies need no closer look than that. With
    NUL bytes the body is UTF-16 or UTF-32, whose strings are not told apart here.
    """
    if body.count(b",") < most:
        return False
    if b"\0" in body:
        return True
    tokens = [body[token.start()] for token in islice(TOKEN.finditer(body), 3 * most)]  # a value and a key, a comma
    return len(tokens) == 3 * most or tokens.count(COMMA) >= most
