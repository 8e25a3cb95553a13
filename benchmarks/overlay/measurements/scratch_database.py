"""Runs a PostgreSQL that flushes commits to disk (fsync), with an empty database, until standard input ends."""

import sys

from devtools.postgres import scratch_url


def main() -> None:
    """Print the database's URL, and wait for the end of standard input, at which the server stops."""
    with scratch_url() as url:
        print("ready", url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
