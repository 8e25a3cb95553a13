"""Access to PostgreSQL: the SQLAlchemy engine, asyncpg's connections, the connection pool, sessions and `Reader`."""
