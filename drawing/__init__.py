"""The drawing kit of the lab and the benchmarks: the modules that a generated service has in `devtools/drawing`.

The modules exist once, in the template's folder, so this package only adds that folder to its own search path. A
symbolic link would do on Linux and macOS; git on Windows writes a text file in its place.
"""

from pathlib import Path

__path__.append(str(Path(__file__).parent.parent / "{{cookiecutter.project_slug}}/devtools/drawing"))
