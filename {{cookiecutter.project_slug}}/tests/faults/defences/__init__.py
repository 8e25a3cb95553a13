"""The defences of the service, each with the fault test that fails when the defence is switched off."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from tests.faults.defences.defence import Defence

__all__ = ["DEFENCES", "Defence"]

DEFENCES: Mapping[str, Defence] = {
    name: defence
    for file in sorted(Path(__file__).parent.glob("*.py"))
    if not file.stem.startswith("_")
    for table in vars(import_module(f"{__name__}.{file.stem}")).values()
    if isinstance(table, dict)
    for name, defence in table.items()
    if isinstance(defence, Defence)
}
"""All defences by name, from each file of this folder; `python -m tests.faults.ablate NAME` switches a defence off."""
