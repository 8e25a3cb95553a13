"""Renders the service of `.cruft.json` with the example, from which `make feature` copies where the example is gone."""

import sys
from pathlib import Path

from devtools.template.source import fetch

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    template = fetch(folder / "clone")
    commit = template.commit(template.state["commit"])
    asked = {"example": "plain", "http_client": "httpx"}  # the example needs a client, and its copies do not
    print(template.render(commit, template.answers(commit, asked), folder / "rendered")[0])
