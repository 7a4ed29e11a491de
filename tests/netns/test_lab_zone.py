# SPDX-License-Identifier: EUPL-1.2
"""The lab's namespaces: made, joined, and gone with the process that holds them."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.net.allowed import allowed
from lab.processes import strays

pytestmark = pytest.mark.netns
_ROOT = Path(__file__).parents[2]
_SCRIPT = """
import sys, time
from pathlib import Path
from lab.net.isolate import run_isolated
from lab.net.zone import Zone
from lab.processes import Processes

def inside():
    folder = Path(sys.argv[2])
    with Zone(folder) as zone, Processes(folder, zone) as processes:
        processes.start("sleeper", ["sleep", "1000"], place="guests")
        print(zone.run("gateway", "ip", "-brief", "link").split(), flush=True)
        print(zone.run("gateway", "ping", "-c1", "-W2", "203.0.113.80").count(" 0% packet loss"), flush=True)
        print(sorted(zone.run("guests", "ls", "/proc/self/ns/net").split()), flush=True)
        time.sleep(float(sys.argv[3]))
    return 7

sys.exit(run_isolated(inside, sys.argv[1], network=True))
"""


def _start(tmp_path: Path, seconds: float) -> "subprocess.Popen[str]":
    ground = allowed()
    if ground.ground == "none":
        pytest.skip(ground.why)
    words = [sys.executable, "-c", _SCRIPT, ground.ground, str(tmp_path), str(seconds)]
    return subprocess.Popen(words, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _interfaces() -> list[str]:
    return sorted(path.name for path in Path("/sys/class/net").iterdir())


def _gone(tmp_path: Path, seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while list(strays(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not list(strays(tmp_path))


def test_three_namespaces_are_joined_and_the_exit_code_comes_back(tmp_path):
    """The gateway sees its two interfaces, the internet answers, and nothing of it shows outside."""
    before = Path("/proc/self/mountinfo").read_text(), _interfaces()
    process = _start(tmp_path, 0)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 7, err
    assert "lan0@if2" in out
    assert "wan0@if2" in out
    assert out.splitlines()[1] == "1"
    assert _interfaces() == before[1]
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    assert _gone(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killing_the_outer_process_ends_everything_inside(tmp_path, number):
    """kill -9 included: the kernel ends the pid namespace, and with it every process and network namespace."""
    process = _start(tmp_path, 1000)
    assert process.stdout is not None
    process.stdout.readline()
    assert list(strays(tmp_path))
    process.send_signal(number)
    process.communicate(timeout=20)
    assert _gone(tmp_path)
