"""`python -m devtools.capacity` prints the capacity plan of this environment, or with settings changed by --what-if."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from app.capacity.cpus import available_cpus
from app.capacity.from_settings import plan_for
from app.capacity.plan import CapacityError
from app.settings.capacity import CapacitySettings
from app.settings.environment import variables_of
from app.settings.load import load_settings
from app.settings.service import Settings
from devtools.capacity.table import as_json, describe

CPUS = "CPUS"
"""The name of the CPU count in --what-if; all other inputs of the capacity plan are settings."""


def build_parser(command: str) -> argparse.ArgumentParser:
    """Return the argument parser of `make capacity`."""
    parser = argparse.ArgumentParser(prog=f"python -m {command}", description=__doc__, allow_abbrev=False)
    parser.add_argument("--what-if", nargs="+", default=[], metavar="NAME=VALUE", help="such as REPLICAS=6 CPUS=4")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def inputs_of(changes: Sequence[str]) -> tuple[Settings, int]:
    """Return the settings and the CPU count of this environment, changed as --what-if says.

    Raises:
        SystemExit: a name or a value of --what-if is wrong; the message names the wrong part.
    """
    settings, cpus = load_settings(), available_cpus()
    values: dict[str, Any] = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals or name not in known_names(settings):
            names = ", ".join(known_names(settings))
            raise SystemExit(f"--what-if takes NAME=VALUE, and not {change!a}; the names are {names}.")
        if name == CPUS:
            cpus = _number_of_cpus(value)
        else:
            _put(values, name.lower().split("__"), value or None)
    return (_with_changes(values) if values else settings), cpus


def known_names(settings: Settings) -> list[str]:
    """Return the names that --what-if takes: CPUS, and the settings that the capacity plan depends on."""
    calls = [name for name in variables_of(type(settings)) if name.endswith("__MAX_CONCURRENT")]
    return [CPUS, *(name.upper() for name in CapacitySettings.model_fields), *calls]


def _number_of_cpus(value: str) -> int:
    if value.isdecimal() and int(value) > 0:
        return int(value)
    raise SystemExit(f"--what-if {CPUS}: write a number from 1.")


def _put(values: dict[str, Any], path: list[str], value: str | None) -> None:
    *folders, name = path
    for folder in folders:
        values = values.setdefault(folder, {})
    values[name] = value


def _with_changes(values: dict[str, Any]) -> Settings:
    """Return the settings, read again with the values of --what-if in place of the environment's values."""
    try:
        return Settings(**values)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = "__".join(str(part) for part in wrong["loc"]).upper()
        raise SystemExit(f"--what-if {name}: {wrong['msg']}.") from None


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the capacity plan of this environment, with the changes of --what-if.

    Raises:
        SystemExit: an argument is wrong, or no capacity plan fits; the message gives the reason.
    """
    options = build_parser("devtools.capacity").parse_args(arguments)
    sys.stdout.write(report(*inputs_of(options.what_if), as_text=not options.json))


def report(settings: Settings, cpus: int, *, as_text: bool = True) -> str:
    """Return the capacity plan of these settings as a table, or as JSON.

    Raises:
        SystemExit: no capacity plan fits these settings; the message gives the reason.
    """
    try:
        plan = plan_for(settings, cpus=cpus)
    except CapacityError as error:
        raise SystemExit(f"No plan fits: {error}") from None
    return (describe(plan) if as_text else as_json(plan)) + "\n"


if __name__ == "__main__":
    main()
