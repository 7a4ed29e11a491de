# SPDX-License-Identifier: EUPL-1.2
"""Runs the processes of a role in the foreground and starts each again when it dies.

It stands in for systemd where there is none. Children die with it (PR_SET_PDEATHSIG, prctl(2)), so that a supervisor
that was killed leaves no process that would hold the ports of the next one.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from edge_core import logs
from edge_core.errors import ProcessError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_log = logs.get(__name__)
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_STOP_SECONDS = 5.0
_STEADY_SECONDS = 10.0
"""A process that lived this long is taken to have been well: its next death is answered at once."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """A process to keep alive: its name in logs, its words, and what it adds to the environment."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    reread: Sequence[Path] = ()
    """Files that the program reads again at SIGHUP, which it gets when one of them changes."""
    at_reload: Literal["restart", "hangup", "leave"] = "restart"
    """What makes it read the settings again: a new start, SIGHUP, or nothing as long as this row stays the same."""
    concerns: str = ""
    """The settings of which a change means a new start, in any words."""


@dataclass
class _Child:
    program: Program
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    due: float = 0.0
    read: Sequence[object] = ()
    """What its files looked like when it was last told to read them."""


def delay_after(failures: int) -> float:
    """Return the seconds to wait before the next start: none after the first death, then doubling to 10."""
    return 0.0 if failures <= 1 else float(min(10.0, 0.25 * 2 ** (failures - 2)))


class Supervisor:
    """Keeps programs alive until `stop` is called, then ends them in the reverse of their order."""

    def __init__(
        self,
        programs: Sequence[Program],
        on_start: Callable[[str, int], None] | None = None,
        on_reload: Callable[[], Sequence[Program] | None] | None = None,
    ) -> None:
        """`on_reload` is called at SIGHUP and returns the programs as they should be now; None changes nothing."""
        self._children = [_Child(program) for program in programs]
        self._on_start = on_start
        self._on_reload = on_reload
        self._stopping = self._reloading = False

    def run(self) -> None:
        """Block until SIGTERM or SIGINT; raises ProcessError where a program is not installed."""
        wake_r, wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        previous = {signum: signal.signal(signum, self._stop) for signum in (signal.SIGTERM, signal.SIGINT)}
        if self._on_reload:
            previous[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._ask_reload)
        previous[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        old_fd = signal.set_wakeup_fd(wake_w)
        try:
            while not self._stopping:
                if self._reloading and self._on_reload:
                    self._reloading = False
                    self._reload(self._on_reload())
                wait = self._tend(time.monotonic())
                _sleep_until_signal(wake_r, wait)
        finally:
            self._end_all()
            signal.set_wakeup_fd(old_fd)
            for signum, handler in previous.items():
                signal.signal(signum, handler)
            os.close(wake_r)
            os.close(wake_w)

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _ask_reload(self, *_: object) -> None:
        self._reloading = True

    def _reload(self, programs: Sequence[Program] | None) -> None:
        """Bring the children in line: what is new starts, what is gone ends, the others read their settings again."""
        if programs is None:
            return
        wanted = {program.name: program for program in programs}
        for child in self._children:
            program = wanted.pop(child.program.name, None)
            same, child.program = program == child.program, program or child.program
            if child.process is None or (same and child.program.at_reload == "leave"):
                continue
            _log.info("process_reloads", name=child.program.name)
            if same and child.program.at_reload == "hangup":
                child.process.send_signal(signal.SIGHUP)
            else:
                self._end(child)
        kept = {program.name for program in programs}
        self._children = [child for child in self._children if child.program.name in kept]
        self._children += [_Child(program) for program in wanted.values()]

    @staticmethod
    def _end(child: _Child) -> None:
        """End a program as it is meant to be ended; `_tend` starts it again at once."""
        if child.process is None:
            return
        child.process.terminate()
        try:
            child.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            _log.warning("process_killed", pid=child.process.pid)
        _end_group(child.process.pid, signal.SIGKILL)
        child.process.wait()
        child.process, child.due, child.failures = None, 0.0, 0

    def _tend(self, now: float) -> float:
        """Start what should run and doesn't; return the seconds until there may be something to do again."""
        wait = 1.0
        for child in self._children:
            if child.process and child.process.poll() is not None:
                self._note_death(child, now)
            if child.process is None and now >= child.due:
                self._start(child, now)
            elif child.process is None:
                wait = min(wait, child.due - now)
            else:
                self._tell_changes(child)
        return max(wait, 0.01)

    def _start(self, child: _Child, now: float) -> None:
        try:
            child.process = subprocess.Popen(
                list(child.program.command),
                env={**os.environ, **child.program.environment},
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C reaches the supervisor alone, which ends them in order
                preexec_fn=_die_with_parent(os.getpid()),  # noqa: PLW1509  one thread here; nothing can deadlock
            )
        except (OSError, subprocess.SubprocessError) as error:
            if isinstance(error, FileNotFoundError) and not child.started:
                raise ProcessError(
                    f"{child.program.name}: the program {child.program.command[0]} is not installed.",
                    remedy=f"Install it (on Debian: apt install {_package(child.program.command[0])}).",
                ) from None
            # No memory or process to spare, or its package is being exchanged: the others go on, it is tried again.
            child.failures += 1
            child.due = now + max(1.0, delay_after(child.failures))
            _log.error("process_not_started", name=child.program.name, reason=str(error), failures=child.failures)
            return
        child.started, child.read = now, _look_of(child.program.reread)
        _log.info("process_started", name=child.program.name, pid=child.process.pid)
        if self._on_start:
            self._on_start(child.program.name, child.process.pid)

    def _tell_changes(self, child: _Child) -> None:
        """Tell a program that one of its files has changed."""
        now_there = _look_of(child.program.reread)
        if child.process and now_there != child.read:
            child.read = now_there
            child.process.send_signal(signal.SIGHUP)
            _log.info("process_told_to_reread", name=child.program.name)

    def _note_death(self, child: _Child, now: float) -> None:
        if child.process is None:
            return
        code = child.process.returncode
        child.failures = 1 if now - child.started > _STEADY_SECONDS else child.failures + 1
        child.due = now + delay_after(child.failures)
        _log.warning("process_died", name=child.program.name, pid=child.process.pid, code=code, failures=child.failures)
        _end_group(child.process.pid, signal.SIGKILL)  # what it left behind would hold its ports
        child.process = None

    def _end_all(self) -> None:
        deadline = time.monotonic() + _STOP_SECONDS
        alive = [child.process for child in reversed(self._children) if child.process]
        for process in alive:
            process.terminate()
        for process in alive:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _log.warning("process_killed", pid=process.pid)
            _end_group(process.pid, signal.SIGKILL)
            process.wait()


def _look_of(paths: Sequence[Path]) -> list[tuple[int, int] | None]:
    return [_state_of(path) for path in paths]


def _state_of(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


def _sleep_until_signal(wake: int, seconds: float) -> None:
    select.select([wake], [], [], seconds)
    try:
        os.read(wake, 512)
    except BlockingIOError:
        return


def _die_with_parent(parent: int) -> Callable[[], None]:
    def set_signal() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the call: nobody would tell us
            os._exit(1)

    return set_signal


def _end_group(pid: int, signum: signal.Signals) -> None:
    try:
        os.killpg(pid, signum)
    except (ProcessLookupError, PermissionError):
        return


def _package(program: str) -> str:
    return {"dnsmasq": "dnsmasq-base", "nft": "nftables"}.get(program, program)
