"""The settings of a pod, loaded from the environment variables in its manifest, as the pod would load them."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from functools import cache

from app.settings.load import REFUSED, load_settings
from app.settings.service import Settings
from devtools.deploy.manifests import Manifests, Object, main_container, named

PLACEHOLDERS = {
    "REDIS_URL": "redis://user:password@valkey:6379/0",
    "_URL": "postgresql://user:password@database:5432/database",
}
"""Placeholders for values that a manifest does not contain, such as secrets, by the end of the variable's name."""

IN_THE_IMAGE = {"HOST": "0.0.0.0", "MANAGEMENT_HOST": "0.0.0.0"}  # noqa: S104 - the variables that the Dockerfile sets


class WrongSettingsError(Exception):
    """The pod would not start with its settings; the message says why."""


def variables(manifests: Manifests, workload: Object) -> dict[str, str]:
    """Return the environment variables of the service's container in a workload's manifest; secrets are placeholders.

    Raises:
        WrongSettingsError: the container refers to a ConfigMap that does not exist.
    """
    container = main_container(workload)
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        name = source.get("configMapRef", {}).get("name")
        config = manifests.named("ConfigMap", name) if name else None
        if name and config is None:
            raise WrongSettingsError(f"{named(workload)}: there is no ConfigMap {name}.")
        found |= (config or {}).get("data", {})
    for item in container.get("env", ()):
        name = item["name"]
        placeholder = next((text for end, text in PLACEHOLDERS.items() if name.endswith(end)), "placeholder")
        found[name] = str(item["value"]) if "value" in item else placeholder
    return found


@contextmanager
def only(environment: Mapping[str, str]) -> Iterator[None]:
    """Replace the environment by these variables, and ignore the file `.env`, until the block ends."""
    kept = dict(os.environ)
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        os.environ.clear()
        os.environ.update(environment)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(kept)


def settings_of(manifests: Manifests, workload: Object) -> Settings:
    """Return the settings of a workload's pods.

    Raises:
        WrongSettingsError: the service in the pod would refuse its settings; the message is that of the service.
    """
    found = IN_THE_IMAGE | variables(manifests, workload)
    try:
        return _loaded(frozenset(found.items()))
    except SystemExit as refusal:
        lines = [line.strip() for line in str(refusal).splitlines() if line.startswith("  ")]
        reason = "; ".join(lines) or str(refusal).removeprefix(REFUSED)
        raise WrongSettingsError(f"{named(workload)} would not start: {reason}") from None


@cache
def _loaded(found: frozenset[tuple[str, str]]) -> Settings:
    """Load the settings from environment variables; cached, as job worker and migration have the same variables."""
    with only(dict(found)):
        return load_settings(serving=True)
