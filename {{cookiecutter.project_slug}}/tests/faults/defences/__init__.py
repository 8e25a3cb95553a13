"""The defences of the service, each with the fault test that fails without the defence."""

from collections.abc import Mapping

from tests.faults.defences.defence import Defence
from tests.faults.defences.dependencies import DEPENDENCIES
from tests.faults.defences.requests import REQUESTS
from tests.faults.defences.server import SERVER

__all__ = ["DEFENCES", "Defence"]

DEFENCES: Mapping[str, Defence] = {**SERVER, **REQUESTS, **DEPENDENCIES}
"""All defences by name; `python -m tests.faults.ablate NAME` switches a defence off."""
