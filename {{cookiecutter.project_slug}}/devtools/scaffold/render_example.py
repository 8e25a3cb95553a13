"""Renders the example of the template, at the commit of this service, for a scaffold in a service without the example.

    python -m devtools.scaffold.render_example FOLDER

prints the path of the rendered service in FOLDER. It needs cookiecutter, which the service does not install.
"""

import sys
from pathlib import Path

from devtools.template.source import fetch


def main(folder: Path) -> None:
    """Render the example into a folder, with a client, since the downstream of the example needs it."""
    template = fetch(folder / "clone")
    commit = template.commit(template.state["commit"])
    answers = template.answers(commit, {"example": "plain", "http_client": "httpx"})
    print(template.render(commit, answers, folder / "rendered")[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
