"""Writes the costs of offloading work as JSON into the file named by the first argument.

A worker process imports the main module once more, so the main module imports everything else below its guard (`if
__name__ == "__main__"`).
"""

import json
import sys
from pathlib import Path

if __name__ == "__main__":
    import uvloop

    from measurements.offload_timings import main

    Path(sys.argv[1]).write_text(json.dumps(uvloop.run(main())), "utf-8")
