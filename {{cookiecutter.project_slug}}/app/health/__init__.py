"""The routes of the health probes: liveness and readiness."""
