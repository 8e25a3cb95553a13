"""Writes that may arrive more than once and happen once."""
