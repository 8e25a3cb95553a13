"""The terminal of the development runner, lent to the service so that `breakpoint()` can read the keyboard."""

import os
import signal
import sys

if sys.platform != "win32":
    import termios


class Terminal:
    """The terminal at standard input: lent to a child's process group, and taken back at the end.

    Only the foreground process group may read from a terminal: the kernel stops any other group that reads.
    """

    def __init__(self) -> None:
        self._modes: list[object] | None = None

    def lend(self) -> bool:
        """Prepare to lend the terminal to a child process; return False if this process group has no terminal.

        A background process group, which may not read from the terminal, counts as without a terminal.
        """
        if sys.platform == "win32" or not sys.stdin or not sys.stdin.isatty() or os.tcgetpgrp(0) != os.getpgrp():
            return False
        self._modes = termios.tcgetattr(0)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # without this, a write to the terminal could stop this process
        return True

    def give(self, group: int) -> None:
        """Put a child's process group into the foreground of the terminal."""
        if sys.platform != "win32":
            os.tcsetpgrp(0, group)

    def take_back(self) -> None:
        """Put this process group into the terminal's foreground again, and undo modes such as hidden input."""
        if sys.platform != "win32" and self._modes is not None:
            os.tcsetpgrp(0, os.getpgrp())
            termios.tcsetattr(0, termios.TCSADRAIN, self._modes)  # type: ignore[arg-type] # the modes are those of tcgetattr
