"""Renders the template with its example, which `make feature` copies, for a service that was made without the example.

`python -m devtools.scaffold.render_example FOLDER` prints the path of the service that it rendered in FOLDER. The
program needs cookiecutter, which the service does not install.
"""

import sys
from pathlib import Path

from devtools.template.source import fetch


def main(folder: Path) -> None:
    """Render the service with the template's example into a folder, with the HTTP client that the example needs."""
    template = fetch(folder / "clone")
    commit = template.commit(template.state["commit"])
    answers = template.answers(commit, {"example": "plain", "http_client": "httpx"})
    print(template.render(commit, answers, folder / "rendered")[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
