"""What the service is compared with: other programs with the same tables and the same answers."""
