"""The defences of the service, each with the fault test that goes red without it."""

from collections.abc import Mapping

from tests.faults.defences.behind import BEHIND
from tests.faults.defences.defence import Defence
from tests.faults.defences.door import DOOR

__all__ = ["DEFENCES", "Defence"]

DEFENCES: Mapping[str, Defence] = {**DOOR, **BEHIND}
