"""The client connections of a worker: the open files that the worker does not need itself."""

OTHER_FILES = 48
"""Open files of a worker that are no connection: its log, event loop, listener and pipes are 20, the rest a reserve."""

MIN_CLIENTS, MAX_CLIENTS = 16, 10_000
"""The fewest client connections with which a worker starts; the most, at 15 kB each, are 150 MB of a worker."""


def client_connections(open_files: int, own_connections: int) -> int:
    """Return the client connections of a worker; a number below MIN_CLIENTS is too few to start."""
    return min(open_files - OTHER_FILES - own_connections, MAX_CLIENTS)


def refusal(open_files: int, own_connections: int) -> str:
    """Return the message about too few open files, with the limits to change."""
    needed = OTHER_FILES + own_connections + MIN_CLIENTS
    return (
        f"a worker may open {open_files} files, but needs {needed} for its own connections and {MIN_CLIENTS} clients. "
        "Raise the hard limit of open files: `ulimit -Hn`, LimitNOFILE of systemd, or `ulimits` of the container; "
        "OPEN_FILES may be unset."
    )
