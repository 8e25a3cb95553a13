"""`python -m devtools.openapi`: writes the OpenAPI document into a file, without a database and without a server."""

import argparse
import json
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

VARIABLES = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "ENVIRONMENT": "development"}
"""The variables without which the application cannot be built. Nothing connects to the database, as it is not
started."""


def document() -> str:
    """Return the OpenAPI document as JSON, in the order of the code, so that the same code gives the same text."""
    os.environ |= VARIABLES
    return json.dumps(import_module("app.main").app.openapi(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the OpenAPI document into the file of `--output`.

    Raises:
        SystemExit: the file cannot be written.
    """
    parser = argparse.ArgumentParser(prog="devtools.openapi", description=__doc__)
    parser.add_argument("--output", type=Path, default="openapi.json", metavar="FILE", help="by default %(default)s")
    file: Path = parser.parse_args(arguments).output
    try:
        file.write_text(document(), "utf-8")
    except OSError as error:
        raise SystemExit(f"{file} cannot be written: {error.strerror}.") from None
    print(f"written: {file}")


if __name__ == "__main__":
    main()
