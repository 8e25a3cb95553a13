"""`python -m benchmarks.same_image FOLDER` builds a service's image twice, and tells whether both are identical.

The requirements are those of tests/test_image.py. The second build has no cache; its packages come from the index once
more.
"""

import sys
import tempfile
from pathlib import Path

from tests.containers import BASE, Podman, make_stand_in

EPOCH = ("--timestamp", "0", "--env", "SOURCE_DATE_EPOCH=0")


def digests(service: Path) -> list[str]:
    """Return the layer digests of two builds of the same service's image, each built with an empty image storage."""
    found = []
    for _ in range(2):
        podman = Podman(Path(tempfile.mkdtemp()))
        try:
            podman.must("import", make_stand_in(), BASE)
            podman.build(service, "localhost/same", *EPOCH)
            layers = podman.inspect("image", "localhost/same")["RootFS"]["Layers"]
            # the first layer is the stand-in for the base image, which both builds share
            found.append("\n  ".join(layers[1:]))
        finally:
            podman.remove()
    return found


def main() -> None:
    """Print whether the two builds are identical, and exit with 1 if not."""
    first, second = digests(Path(sys.argv[1]))
    print("the same layers" if first == second else f"different layers:\n  {first}\n  {second}")
    sys.exit(first != second)


if __name__ == "__main__":
    main()
