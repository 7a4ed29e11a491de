# SPDX-License-Identifier: EUPL-1.2
"""The supervisor keeps real processes alive, and leaves none behind whatever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from edge_core import durable, leftovers
from edge_core.errors import ProcessError
from edge_core.supervise import Program, Supervisor

pytestmark = pytest.mark.integration

SUPERVISE = """
import pathlib, sys
from edge_core import leftovers
from edge_core.supervise import Program, Supervisor
folder = pathlib.Path(sys.argv[1])
def note(name, pid):
    leftovers.remember(folder / "record", name, pid)
    with (folder / "pids").open("a") as file:
        file.write(f"{pid}\\n")
command = ["sh", "-c", sys.argv[2]]
Supervisor([Program(name="sleeper", command=command, reread=[folder / "options"])], note).run()
"""

HEARS = """
import pathlib, signal, sys
def hear(word):
    with pathlib.Path(sys.argv[1]).open("a") as file:
        file.write(word + "\\n")
signal.signal(signal.SIGHUP, lambda *_: hear("told"))
hear("ready")
while True:
    signal.pause()
"""


@pytest.fixture
def supervisor(tmp_path):
    """Start a supervisor of one shell command in a process of its own."""
    started = []

    def start(command):
        process = subprocess.Popen([sys.executable, "-c", SUPERVISE, str(tmp_path), command], stderr=subprocess.DEVNULL)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
    leftovers.end(tmp_path / "record")


def pids(folder: Path) -> list[int]:
    """Return the pids that were started so far."""
    path = folder / "pids"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def until(condition, seconds=60.0):
    """Wait for a condition and return its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return value


def gone(pid: int) -> bool:
    """Tell whether a process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_killed_process_is_back(supervisor, tmp_path):
    """kill -9 of a program is answered by a new one."""
    supervisor("exec sleep 100")
    (first,) = until(lambda: pids(tmp_path))
    os.kill(first, signal.SIGKILL)
    until(lambda: len(pids(tmp_path)) == 2)
    assert gone(first)


def test_children_of_a_dead_process_end_too(supervisor, tmp_path):
    """What a program forked does not keep its ports when the program is gone."""
    supervisor(f"sleep 100 & echo $! > {tmp_path}/grandchild; exec sleep 100")
    (first,) = until(lambda: pids(tmp_path))
    grandchild = int(until(lambda: (tmp_path / "grandchild").exists() and (tmp_path / "grandchild").read_text()))
    os.kill(first, signal.SIGKILL)
    until(lambda: gone(grandchild))


def test_stopping_ends_everything(supervisor, tmp_path):
    """SIGTERM ends the programs and then the supervisor."""
    process = supervisor("exec sleep 100")
    (pid,) = until(lambda: pids(tmp_path))
    process.terminate()
    assert process.wait(60) == 0
    assert gone(pid)


def test_programs_die_with_a_killed_supervisor(supervisor, tmp_path):
    """kill -9 of the supervisor leaves no program that would hold the next one's ports."""
    process = supervisor("exec sleep 100")
    (pid,) = until(lambda: pids(tmp_path))
    process.kill()
    process.wait()
    until(lambda: gone(pid))


def test_what_outlived_its_supervisor_is_ended_by_the_next_start(supervisor, tmp_path):
    """A program that ignores the death signal is found again by its pid and start time."""
    process = supervisor("trap '' TERM; while :; do sleep 1; done")
    (pid,) = until(lambda: pids(tmp_path))
    time.sleep(0.2)  # the shell must have set its trap
    process.kill()
    process.wait()
    assert not gone(pid)
    assert leftovers.end(tmp_path / "record") == 1
    assert gone(pid)


def test_a_pid_that_was_used_again_is_left_alone(tmp_path):
    """A stranger that got the pid of our old process is not ended."""
    stranger = subprocess.Popen(["sleep", "100"])
    try:
        leftovers.remember(tmp_path / "record", "old", stranger.pid)
        text = (tmp_path / "record").read_text().replace('"started": "', '"started": "1')
        (tmp_path / "record").write_text(text + "half a li")
        assert leftovers.end(tmp_path / "record") == 0
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_program_that_is_not_installed_is_named():
    """The error names the program and the package."""
    with pytest.raises(ProcessError, match="apt install no-such-program"):
        Supervisor([Program(name="x", command=["no-such-program"])]).run()


def test_a_program_is_told_when_its_file_changes(supervisor, tmp_path):
    """SIGHUP for a file that appears, changes or goes, and none while it stays as it is; the program lives on."""
    heard, program = tmp_path / "heard", tmp_path / "program.py"
    program.write_text(HEARS)  # no shell: dash loses a signal that comes while it starts a command by vfork(2)
    supervisor(f"exec {sys.executable} {program} {heard}")
    until(heard.exists)
    time.sleep(1.5)
    assert heard.read_text().split() == ["ready"]
    options = tmp_path / "options"
    # Replaced as our own files are: one that is written in place is seen empty first, and again when it is not.
    a, b = (partial(durable.replace, options, content) for content in (b"a", b"b"))
    for times, change in enumerate((a, b, options.unlink), 1):
        change()
        until(lambda: heard.read_text().count("told") == times)  # noqa: B023  asked before the next turn
    assert len(pids(tmp_path)) == 1


def test_a_program_that_can_not_be_started_again_ends_nobody_else(tmp_path, monkeypatch):
    """While a package is exchanged, or memory is short, the rest goes on, and the program comes back by itself."""
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho once >> started\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    started = []

    def note(name, _pid):
        started.append(name)
        if started.count("short") == 1:
            program.rename(tmp_path / "away")
            threading.Timer(3.0, lambda: (tmp_path / "away").rename(program)).start()
        elif name == "short":
            os.kill(os.getpid(), signal.SIGTERM)

    sleeper = Program(name="sleeper", command=["sleep", "60"])
    Supervisor([sleeper, Program(name="short", command=[str(program)])], note).run()
    assert started == ["sleeper", "short", "short"]
