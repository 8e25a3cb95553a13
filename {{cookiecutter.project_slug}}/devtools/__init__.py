"""Tools for development, not in the image: PostgreSQL, stubs of downstreams, runner, load test, capacity charts."""
