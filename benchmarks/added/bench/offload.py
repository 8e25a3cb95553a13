"""Write what handing work over costs as JSON into a file.

A process that is started imports the main module once more, so this one imports the rest only where it is the first.
"""

import json
import sys
from pathlib import Path

if __name__ == "__main__":
    import uvloop

    from bench.handing import main

    Path(sys.argv[1]).write_text(json.dumps(uvloop.run(main())), "utf-8")
