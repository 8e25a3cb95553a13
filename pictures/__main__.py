"""`python -m pictures` draws the pictures of the documents into docs/pictures/."""

import argparse
from pathlib import Path

from pictures import fault
from pictures.replicas import COLOURS, connections, rolling_update
from pictures.request import request_way
from pictures.rollout import Update
from pictures.standalone import standalone

PLACE = Path(__file__).resolve().parent.parent / "docs/pictures"

UPDATES = {
    "update-of-3.svg": Update(3),
    "update-of-6.svg": Update(6),
    "update-of-6-fast-end.svg": Update(6, end_seconds=6),
    "update-of-50.svg": Update(50),
}
"""The rolling updates to draw, by the name of the picture's file."""


def pictures() -> dict[str, str]:
    """Return each picture of the documents by the file's name."""
    updates = {name: standalone(rolling_update(update), COLOURS) for name, update in UPDATES.items()}
    updates["frozen-database.svg"] = standalone(fault.frozen_database(), fault.COLOURS)
    return {**updates, "connections.svg": standalone(connections(), COLOURS), "request.svg": request_way()}


def main() -> None:
    """Draw the pictures of the documents, and write the files."""
    parser = argparse.ArgumentParser(prog="python -m pictures", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--record", type=Path, metavar="FILE", help="a timeline of the fault test, for the plot of a fault"
    )
    if place := parser.parse_args().record:
        fault.record(place)
    PLACE.mkdir(exist_ok=True)
    for name, text in pictures().items():
        (PLACE / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
