# SPDX-License-Identifier: EUPL-1.2
"""Ends what an earlier run left behind when it was killed, before its ports are needed again.

A program that changes its user loses the death signal of its parent (prctl(2)), so each start is also written down:
pid and start time, which together name one process for as long as the machine is up.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

from edge_core import clock, logs

_log = logs.get(__name__)
_PATIENCE = 3.0


def remember(record: Path, name: str, pid: int) -> None:
    """Write down that `name` was started as `pid`."""
    line = {"name": name, "pid": pid, "started": _start_time(pid), "boot": clock.boot_id()}
    with record.open("a", encoding="ascii") as file:
        file.write(json.dumps(line) + "\n")


def end(record: Path) -> int:
    """End the processes that `record` names and that still run; forget all of it; return how many there were."""
    alive = [pid for pid, started in _read(record) if started and _start_time(pid) == started]
    for signum in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + _PATIENCE
        for pid in alive:
            _signal_group(pid, signum)
        while any(map(_runs, alive)) and time.monotonic() < deadline:
            time.sleep(0.02)
    if alive:
        _log.warning("leftovers_ended", count=len(alive))
    record.unlink(missing_ok=True)
    return len(alive)


def alive(record: Path) -> list[int]:
    """Return the processes that `record` names and that still run."""
    return [pid for pid, started in _read(record) if started and _start_time(pid) == started and _runs(pid)]


def _read(record: Path) -> list[tuple[int, str]]:
    found = []
    try:
        lines = record.read_text(encoding="ascii", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    for line in lines:
        try:
            entry = json.loads(line)
            if entry["boot"] == clock.boot_id():
                found.append((int(entry["pid"]), str(entry["started"])))
        except (ValueError, KeyError, TypeError):
            continue  # a line that a crash cut short
    return found


def _start_time(pid: int) -> str:
    """Return the process's start in clock ticks since boot (proc(5), field 22 of stat); "" when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]


def _runs(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def _signal_group(pid: int, signum: signal.Signals) -> None:
    for send in (os.killpg, os.kill):
        try:
            send(pid, signum)
        except (ProcessLookupError, PermissionError):
            continue
