# SPDX-License-Identifier: EUPL-1.2
"""Starts the lab's processes, each in a group of its own with a log file, and ends them by the pid that it kept."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

from lab.net.zone import Place, Zone

MARK = "PARVIS_LAB_STATE"  # in the environment of all that the lab starts: the next start recognises strays by it


@dataclass
class Processes:
    """What was started, in order. Ending goes backwards: phones, then kiosk and gateway, then the internet."""

    state: Path
    zone: Zone | None = None
    tmp: Path | None = None  # where programs leave their files of the moment; the state's own folder by default
    running: dict[str, "subprocess.Popen[str]"] = field(default_factory=dict)

    def __enter__(self) -> Self:
        """Make the folders that processes of this state write to."""
        for folder in (self.state / "logs", self.state / "home", self._tmp()):
            folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        """End everything that still runs."""
        for name in reversed(list(self.running)):
            self.stop(name)

    def _tmp(self) -> Path:
        return self.tmp or self.state / "tmp"

    def log(self, name: str) -> Path:
        """Where the output of a process goes."""
        return self.state / "logs" / f"{name}.log"

    def start(
        self, name: str, words: Sequence[str], *, place: Place | None = None, env: Mapping[str, str] | None = None,
        pipes: bool = False, descriptors: tuple[int, ...] = (),
    ) -> "subprocess.Popen[str]":  # fmt: skip
        """Start `words`, in a namespace when there is a zone; with `pipes` the caller talks over stdin and stdout."""
        within, passed = list(words), descriptors
        if place and self.zone:
            within, passed = self.zone.command(place, words), (*descriptors, *self.zone.descriptors())
        # Linux ends it with us even when we are killed (setpriv(1)); below a pid namespace the kernel does so anyway.
        command = ["setpriv", "--pdeathsig", "TERM", "--", *within]
        with self.log(name).open("ab") as log:
            out: IO[bytes] | int = subprocess.PIPE if pipes else log
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE if pipes else subprocess.DEVNULL, stdout=out, stderr=log, text=True,
                env=self._environment(env or {}), pass_fds=passed, start_new_session=True,
            )  # fmt: skip
        self.running[name] = process
        return process

    def _environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        """Ours, with the places where programs like to leave files moved into the state folder."""
        ours = {key: value for key, value in os.environ.items() if not key.startswith("PARVIS_")}
        home, tmp = str(self.state / "home"), str(self._tmp())
        moved = {"HOME": home, "XDG_CONFIG_HOME": home, "XDG_CACHE_HOME": home, "XDG_RUNTIME_DIR": tmp, "TMPDIR": tmp}
        path = {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
        return {**ours, **moved, **path, MARK: str(self.state), "PYTHONUNBUFFERED": "1", **extra}

    def stop(self, name: str, seconds: float = 10.0) -> None:
        """Ask the process to end, wait, then end its whole group."""
        process = self.running.pop(name, None)
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with suppress(BrokenPipeError):
                    pipe.close()

    def ended(self) -> list[str]:
        """Names of those that ended without being asked, with their exit codes."""
        return [
            f"{name} (code {code})" for name, process in self.running.items() if (code := process.poll()) is not None
        ]


def strays(state: Path) -> Iterator[int]:
    """Pids of processes that an earlier run on this state folder left, known by the mark in their environment."""
    mark = f"{MARK}={state}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    yield int(entry.name)


def end_strays(state: Path) -> int:
    """End what an earlier killed run left running; the number of processes ended."""
    found = list(strays(state))
    for pid in found:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in found) and time.monotonic() < deadline:
        time.sleep(0.02)
    return len(found)
