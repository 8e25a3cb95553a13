"""Settings: typed environment variables, one module per topic. Imports no other package of the service."""
