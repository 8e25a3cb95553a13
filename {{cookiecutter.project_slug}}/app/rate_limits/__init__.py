"""Rate limits: named policies as dependencies of routers, counted in the process, in PostgreSQL or in Valkey."""
