"""Builds and runs a service's image with podman: without a daemon and without an image registry.

The image's base is not available everywhere, so a stand-in takes its name here: a Debian with its own Python, pip and a
shell. The stand-in does not prove the paths and the patch level of the official image.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from tests.programs import must, run
from tests.repository import ROOT

BASE = "python:3.13-slim"
STAND_IN = ROOT / ".build/image-base.tar"
"""The file with the stand-in for the base image, made once for all runs of the tests; `make clean` removes the file."""

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"

PACKAGES = "python3,python3-pip,python3-venv,dash,coreutils,libc-bin,libstdc++6,base-files,base-passwd"
"""The packages of the stand-in base image; some wheels need the C++ library, which the official image has too."""

HARDENED = (
    *("--network", "host", "--read-only", "--read-only-tmpfs=false"),
    *("--cap-drop", "all", "--security-opt", "no-new-privileges"),
    *("--memory", "512m", "--memory-swap", "512m", "--cpus", "1", "--pids-limit", "256"),
    *("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"),
)
"""podman's options for a hardened container: only /dev/shm is writable, not even a temporary folder. The container uses
this machine's network, to reach its PostgreSQL; the limits of files and processes are those that every machine
allows."""


def make_stand_in() -> Path:
    """Return the file with the stand-in for the base image; the first call makes it, in about 15 s."""
    if not STAND_IN.exists():
        STAND_IN.parent.mkdir(exist_ok=True)
        unfinished = STAND_IN.with_suffix(".unfinished.tar")
        changes = (
            'rm "$1"/usr/lib/python3*/EXTERNALLY-MANAGED',  # Debian's mark that makes pip refuse to install
            'ln -s python3 "$1"/usr/bin/python',
            f'mkdir -p "$1"/etc/ssl/certs && cp {CERTIFICATES} "$1"/etc/ssl/certs',  # Debian's pip needs this file
        )
        left_out = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "locale", "man")]
        command = ["mmdebstrap", "--quiet", "--variant=extract", f"--include={PACKAGES}", *left_out]
        hooks = [f"--extract-hook={change}" for change in changes]
        must([*command, *hooks, "trixie", unfinished], ROOT)
        unfinished.rename(STAND_IN)
    return STAND_IN


class Podman:
    """The program podman with its own storage, in a folder of the test.

    The storage driver is overlay unless STORAGE_DRIVER names another driver, such as vfs, which works on every file
    system and copies the image for each container.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.options = (
            *("--root", str(folder / "root"), "--runroot", str(folder / "run"), "--tmpdir", str(folder / "tmp")),
            *("--storage-driver", os.environ.get("STORAGE_DRIVER", "overlay")),
            *("--cgroup-manager", "cgroupfs", "--runtime", "runc", "--events-backend", "none"),
        )

    def run(self, *arguments: str | Path) -> CompletedProcess[str]:
        """Run podman to its end, and return what it printed."""
        return run(["podman", *self.options, *arguments], self.folder)

    def must(self, *arguments: str | Path) -> str:
        """Run podman and return the output; fail the test if podman fails."""
        return must(["podman", *self.options, *arguments], self.folder).strip()

    def build(self, service: Path, name: str, *options: str) -> None:
        """Build a service's image from its own Dockerfile, with this machine's certificate authorities added."""
        index = os.environ.get("UV_DEFAULT_INDEX")
        mirror = ["--build-arg", f"INDEX_URL={index}"] if index else []
        certificates = ["--secret", f"id=ca,src={CERTIFICATES}"] if Path(CERTIFICATES).exists() else []
        offline = ("--isolation", "chroot", "--pull=never", "--layers=false")
        self.must("build", *offline, *mirror, *certificates, *options, "--tag", name, service)

    def inspect(self, kind: str, name: str) -> dict[str, Any]:
        """Return podman's description (inspect) of an image or of a container."""
        found: list[dict[str, Any]] = json.loads(self.must(kind, "inspect", name))
        return found[0]

    def remove(self) -> None:
        """Stop all containers, which unmounts their file systems, and delete the storage."""
        self.run("rm", "--all", "--force", "--time", "0")
        shutil.rmtree(self.folder, ignore_errors=True)


class Container:
    """A hardened container of a service's image, which runs in the background."""

    def __init__(self, podman: Podman, image: str, variables: Mapping[str, str], command: Sequence[str] = ()) -> None:
        self.podman = podman
        options = [part for name, value in variables.items() for part in ("--env", f"{name}={value}")]
        self.id = podman.must("run", "--detach", *HARDENED, *options, image, *command)

    def run(self, *command: str) -> int:
        """Run a command in the container, and return its exit code."""
        return self.podman.run("exec", self.id, *command).returncode

    def log(self) -> str:
        """Return what the container has printed so far."""
        done = self.podman.run("logs", self.id)
        return done.stdout + done.stderr

    def process_id(self) -> int:
        """Return the process id, on this machine, of the container's process 1, or 0 when the container has ended."""
        return int(self.podman.must("inspect", self.id, "--format", "{{.State.Pid}}"))

    def wait_for(self, look: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until a function returns true."""
        end = time.monotonic() + seconds
        while not look():
            assert self.process_id(), f"it ended early:\n{self.log()}"
            assert time.monotonic() < end, f"it did not get there in {seconds:g} s:\n{self.log()}"
            time.sleep(0.02)

    def terminate(self) -> None:
        """Send SIGTERM to process 1 of the container, as an orchestrator does."""
        self.podman.must("kill", "--signal", "TERM", self.id)

    def exit_code(self, seconds: float = 60) -> int:
        """Wait until the container ends, and return the exit code; a container that runs too long is killed: 137."""
        end = time.monotonic() + seconds
        while self.process_id() and time.monotonic() < end:
            time.sleep(0.05)
        if self.process_id():
            self.podman.must("kill", "--signal", "KILL", self.id)
        return int(self.podman.must("wait", self.id))


def status_of(process_id: int) -> dict[str, str]:
    """Return the kernel's status fields of a process (/proc/PID/status), by name."""
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def catches(process_id: int, number: int) -> bool:
    """Tell whether a process has a handler for a signal: process 1 of a container gets no signal without a handler."""
    return bool(int(status_of(process_id)["SigCgt"], 16) >> (number - 1) & 1)
