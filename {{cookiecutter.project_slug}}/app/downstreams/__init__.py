"""Calls to other services: one client and one semaphore for each, so that a slow one only costs its own callers."""
