"""Capacity: the plan that computes every bound of the service, and the bulkheads built from the plan."""
