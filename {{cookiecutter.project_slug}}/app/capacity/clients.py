"""The bound on a worker's client connections: the allowed open files, less the files that the worker needs itself."""

OTHER_FILES = 48
"""The number of files that a worker may have open besides connections: about 20 for the log, the event loop, the
listener and pipes, and the rest as a reserve."""

MIN_CLIENTS, MAX_CLIENTS = 16, 10_000
"""The bounds on the client connections of a worker. A worker that could have fewer than 16 does not start; 10,000 take
150 MB of memory, at 15 kB each."""


def client_connections(open_files: int, own_connections: int) -> int:
    """Return how many client connections a worker may have; with fewer than MIN_CLIENTS, a worker must not start."""
    return min(open_files - OTHER_FILES - own_connections, MAX_CLIENTS)


def refusal(open_files: int, own_connections: int) -> str:
    """Return the error message for a worker that may open too few files, with the limits to change."""
    needed = OTHER_FILES + own_connections + MIN_CLIENTS
    return (
        f"a worker may open {open_files} files, but needs {needed} for its own connections and {MIN_CLIENTS} clients. "
        "Raise the hard limit of open files: `ulimit -Hn`, LimitNOFILE of systemd, or `ulimits` of the container; "
        "OPEN_FILES may be unset."
    )
