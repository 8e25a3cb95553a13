"""Runs a PostgreSQL with fsync and an empty database, which is dropped when standard input ends."""

import sys

from devtools.postgres import scratch_url


def main() -> None:
    """Print the database's URL, and wait for the end of standard input."""
    with scratch_url() as url:
        print("ready", url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
