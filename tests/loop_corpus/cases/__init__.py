"""Ways to block the event loop: each route is a case, together with the code above it since the previous route."""
