"""The GitHub actions that a service's workflows may use, each with the commit hash and the version of that commit."""

ACTIONS = {
    "actions/checkout": ("3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1"),
    "astral-sh/setup-uv": ("20cfd1bf945f4377ade1205e4dbc17946fc9a30d", "v10.0.1"),
}
"""Commit hash and version by the action's name: tests compare with these, as no offline linter detects a wrong hash."""
