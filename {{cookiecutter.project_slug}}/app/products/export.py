"""Packs products into gzipped JSON Lines, in a thread: compression takes most of the time and releases the GIL."""

import gzip
from collections.abc import Iterable

import orjson

from app.products.repository import ProductRow

AS_IN_LISTS = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
"""orjson's options for a line of the export: Z for UTC, as in lists of the API, and a newline. The export is not CSV,
because a spreadsheet would run a product name that begins with `=` as a formula."""

LEVEL = 6  # the default level of the program gzip; Python's default, level 9, is slower and saves few bytes


def pack(rows: Iterable[ProductRow]) -> bytes:
    """Return a gzip file with one JSON line per product; equal rows give equal bytes."""
    return gzip.compress(b"".join(orjson.dumps(row, option=AS_IN_LISTS) for row in rows), LEVEL, mtime=0)
