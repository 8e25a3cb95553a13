"""The service without one of its defences."""
