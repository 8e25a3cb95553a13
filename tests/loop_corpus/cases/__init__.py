"""Ways to block the event loop: each route is a case, with all that stands above it since the route before."""
