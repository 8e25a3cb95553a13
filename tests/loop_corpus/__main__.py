"""Measures the corpus of blocking code on a new service and writes the table: `python -m tests.loop_corpus`."""

import tempfile
from pathlib import Path

from tests.loop_corpus.checks import measure
from tests.loop_corpus.table import DOCUMENT, write
from tests.programs import must
from tests.repository import EVERYTHING, copy_template, render


def main() -> None:
    """Generate and install a service, measure the corpus of blocking code on the service, and write the table."""
    with tempfile.TemporaryDirectory(prefix="loop-corpus-") as name:
        folder = Path(name)
        template = copy_template(folder / "template")
        installed = render(template, folder / "installed", EVERYTHING)
        must(["make", "setup"], installed)
        write(measure(render(template, folder / "judged", EVERYTHING), installed / ".venv"))
    print(f"written into {DOCUMENT}")


if __name__ == "__main__":
    main()
