"""What the bench runs with the service's own interpreter."""
