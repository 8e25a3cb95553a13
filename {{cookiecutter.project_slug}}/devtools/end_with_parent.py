"""Ends a command when the parent process ends: `python -m devtools.end_with_parent SECONDS COMMAND...`.

Standard input is a pipe that only the parent holds, and to which the parent never writes. The operating system closes
the pipe when the parent closes it or ends, even by kill -9. Then the command gets SECONDS to finish, and is killed with
its children.

A command with the terminal reads standard input itself, so there is no pipe. Instead, the command is stopped when the
parent sends SIGTERM, or when a changed parent process id shows that the parent has died. Ctrl-C, which all processes of
the terminal get, ends the command; a second Ctrl-C kills the command at once.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading

POLL_SECONDS = 0.05

INTERRUPTED = 130


def stop(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Send SIGTERM, or Ctrl-Break on Windows, to the command; kill the command if it still runs after `seconds`."""
    if sys.platform == "win32":
        process.send_signal(signal.CTRL_BREAK_EVENT)
    else:
        process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.kill()
    process.wait()


def end_group() -> None:
    """Kill this process's group, with processes that the command left behind, if this process leads the group."""
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)


def run(command: list[str], seconds: float) -> int:
    """Run the command until the command ends or the parent closes standard input, and return the exit code."""
    new_group = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, creationflags=new_group)
    parent_ended = threading.Event()

    def wait_for_the_parent() -> None:
        os.read(0, 1)
        parent_ended.set()

    threading.Thread(target=wait_for_the_parent, daemon=True).start()
    while process.poll() is None:
        if parent_ended.wait(POLL_SECONDS):
            stop(process, seconds)
            end_group()
    return process.returncode


def run_in_terminal(command: list[str], seconds: float) -> int:
    """Run a command that has the terminal, until Ctrl-C or the end of command or parent; return the exit code."""
    parent, ending, interrupts = os.getppid(), threading.Event(), 0

    def on_signal(number: int, _frame: object) -> None:
        nonlocal interrupts
        interrupts += number == signal.SIGINT
        ending.set()
        if interrupts > 1:
            end_group()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    if hasattr(signal, "SIGTSTP"):
        # ignore Ctrl-Z: the shell does not know this process group, and could not resume it
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    process = subprocess.Popen(command)
    while process.poll() is None:
        if ending.wait(POLL_SECONDS) or os.getppid() != parent:
            stop(process, seconds)
            if os.getppid() != parent:
                end_group()
            break
    return INTERRUPTED if interrupts else process.returncode


if __name__ == "__main__":
    begin = run_in_terminal if sys.stdin.isatty() else run
    code = begin(sys.argv[2:], float(sys.argv[1]))
    sys.exit(128 - code if code < 0 else code)  # as in a shell: 128 + the signal that ended the command
