"""Renders the template with its example, which `make feature` copies, for a service that was made without the example.

`python -m devtools.scaffold.render_example FOLDER` prints the path of the service that it rendered in FOLDER. The
program needs cookiecutter, which the service does not install.
"""

import sys
from pathlib import Path

from devtools.template.source import fetch


def main(folder: Path) -> None:
    """Render the example into a folder, with an HTTP client, which the example's downstream needs."""
    template = fetch(folder / "clone")
    commit = template.commit(template.state["commit"])
    answers = template.answers(commit, {"example": "plain", "http_client": "httpx"})
    print(template.render(commit, answers, folder / "rendered")[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
