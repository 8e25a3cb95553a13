"""Access to PostgreSQL: the engine, the driver's connections, the connection pool, the sessions and the `Reader`."""
