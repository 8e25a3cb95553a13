"""Work outside of the event loop or of the request: calls in threads and processes, background tasks, and gathering."""
