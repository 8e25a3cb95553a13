"""Work outside of the event loop or of the request: threads, processes, background tasks, and concurrent calls."""
