"""The command line of `python -m app.capacity`: the plan of this environment, or of another one that is asked about."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from app.capacity.chart import chart
from app.capacity.plan import CapacityError, make_plan
from app.capacity.report import as_json, describe
from app.capacity.settings import CapacitySettings
from app.server.cpus import available_cpus
from app.settings import Settings, load_settings

CPUS = "CPUS"
"""The one input that is no setting: a container has them."""

POOL_WAIT = "DATABASE_POOL_WAIT_SECONDS"

PICTURE = 'As a picture: make capacity args="--svg capacity.svg" (or --png), with the same options.'


def build_parser(command: str) -> argparse.ArgumentParser:
    """Return the parser of what this command and the picture's have in common."""
    parser = argparse.ArgumentParser(prog=f"python -m {command}", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--what-if",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help=f"other values, such as WEB_CONCURRENCY=8 REPLICAS=6 {CPUS}=4",
    )
    parser.add_argument("--json", action="store_true", help="for machines, without the chart")
    return parser


def inputs_of(changes: Sequence[str]) -> tuple[Settings, int]:
    """Return the settings and CPUs of this environment with these changes.

    Raises:
        SystemExit: a name or a value is wrong; one sentence says which.
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
    return _with_changes(settings, values), cpus


def known_names(settings: Settings) -> list[str]:
    """Return the names that the plan depends on."""
    downstreams = [f"DOWNSTREAMS__{name}__CONCURRENCY".upper() for name, _ in settings.downstreams]
    families = [f"FAMILIES__{name}__RUNNING".upper() for name, _ in settings.families]
    return [CPUS, *(name.upper() for name in CapacitySettings.model_fields), POOL_WAIT, *families, *downstreams]


def _number_of_cpus(value: str) -> int:
    if value.isdecimal() and int(value) > 0:
        return int(value)
    raise SystemExit(f"--what-if {CPUS}: write a number from 1.")


def _put(values: dict[str, Any], path: list[str], value: str | None) -> None:
    *folders, name = path
    for folder in folders:
        values = values.setdefault(folder, {})
    values[name] = value


def _with_changes(settings: Settings, values: dict[str, Any]) -> Settings:
    """Return the settings read anew, with these values winning over the environment."""
    if not values:
        return settings
    try:
        return Settings(**values)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = "__".join(str(part) for part in wrong["loc"]).upper()
        raise SystemExit(f"--what-if {name}: {wrong['msg']}.") from None


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the plan.

    Raises:
        SystemExit: there is none; one sentence says why.
    """
    options = build_parser("app.capacity").parse_args(arguments)
    sys.stdout.write(report(*inputs_of(options.what_if), as_text=not options.json))


def report(settings: Settings, cpus: int, *, as_text: bool = True) -> str:
    """Return the plan as a table with its chart, or as JSON.

    Raises:
        SystemExit: there is no plan for these settings; one sentence says why.
    """
    try:
        plan = make_plan(settings, cpus=cpus)
    except CapacityError as error:
        raise SystemExit(f"No plan fits: {error}") from None
    if not as_text:
        return as_json(plan) + "\n"
    return f"{describe(plan)}\n\n{chart(settings, cpus=cpus)}\n\n{PICTURE}\n"


if __name__ == "__main__":
    main()
