"""Work outside of the event loop or the request: threads or processes, background tasks, concurrent calls."""
