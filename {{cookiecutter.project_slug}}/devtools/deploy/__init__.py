"""Checks of the Kubernetes manifests against the settings and the capacity plan."""
