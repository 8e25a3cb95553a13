"""The settings of the service: typed environment variables, one module per topic. Imports no other package of `app`."""
