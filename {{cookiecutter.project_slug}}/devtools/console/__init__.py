"""The developer's console: shows the running service, and injects faults. `rm -r devtools/console` removes it."""
