"""`python -m devtools.deploy check`: checks that the numbers and names in each Kubernetes overlay fit together."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from devtools.deploy.check import problems
from devtools.deploy.manifests import render

OVERLAYS = Path("deploy/kubernetes/overlays")


def main(arguments: Sequence[str] | None = None) -> int:
    """Check overlays, print a line for each fault, and return the exit code.

    Raises:
        SystemExit: an overlay does not exist or does not render; the message says why.
    """
    parser = argparse.ArgumentParser(prog="python -m devtools.deploy", description=__doc__, allow_abbrev=False)
    parser.add_argument("command", choices=["check"])
    parser.add_argument("places", nargs="*", type=Path, help="folders of overlays, or files of rendered YAML")
    options = parser.parse_args(arguments)
    wrong = 0
    for place in options.places or sorted(found.parent for found in OVERLAYS.glob("*/kustomization.yaml")):
        manifests = render(place)
        found = problems(manifests)
        wrong += len(found)
        print(f"{place}: {len(manifests.objects)} objects, {len(found) or 'no'} faults")
        print(*(f"  {sentence}\n" for sentence in found), sep="", end="")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
