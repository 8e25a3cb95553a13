"""An empty database on a PostgreSQL that waits for the disk, which is dropped when the standard input ends."""

import sys

from devtools.postgres import scratch_url


def main() -> None:
    """Print the address, and wait."""
    with scratch_url() as url:
        print("ready", url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
