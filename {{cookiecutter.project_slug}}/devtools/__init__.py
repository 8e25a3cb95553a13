"""Tools for development, not in the image: a PostgreSQL, stand-ins for downstreams, the runner, and their tests."""
