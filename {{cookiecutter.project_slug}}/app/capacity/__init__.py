"""The capacity plan, which has every bound of the service, and the bulkheads that are built from the plan."""
