"""Runs a command for as long as its starter lives: `python -m devtools.leash SECONDS COMMAND...`.

Its input is a pipe that only the starter holds and never writes to. The operating system closes it when the starter
closes it or ends, also by kill -9; then the command gets SECONDS to finish, and is killed with all that it started.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading

POLL_SECONDS = 0.05


def stop(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Ask the command, which stops its own children in order; kill it if it does not listen."""
    if sys.platform == "win32":
        process.send_signal(signal.CTRL_BREAK_EVENT)
    else:
        process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.kill()
    process.wait()


def end_group() -> None:
    """Kill what the command left behind, and with it ourselves, unless the group is not ours but a shell's."""
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)


def hold(command: list[str], seconds: float) -> int:
    """Run the command to its end, or to the end of our input, and return its exit code."""
    new_group = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, creationflags=new_group)
    released = threading.Event()

    def wait_for_release() -> None:
        os.read(0, 1)
        released.set()

    threading.Thread(target=wait_for_release, daemon=True).start()
    while process.poll() is None:
        if released.wait(POLL_SECONDS):
            stop(process, seconds)
            end_group()
    return process.returncode


if __name__ == "__main__":
    code = hold(sys.argv[2:], float(sys.argv[1]))
    sys.exit(128 - code if code < 0 else code)  # as a shell reports a command that a signal ended
