# SPDX-License-Identifier: EUPL-1.2
"""The demo itself, as a person runs it: whole, twice, interrupted, killed, without enforcement."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from lab.net.allowed import allowed
from lab.phone.browser import find_chromium
from lab.phone.robot import forms
from lab.ports import free_port
from lab.processes import strays

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]
_ROOT = Path(__file__).parents[2]
_NOBODY = 65534
_PORTS = ("PORTAL_PORT", "KIOSK_PORT", "PLATFORM_PORT")
needs_netns = [pytest.mark.netns, pytest.mark.skipif(allowed().ground == "none", reason=allowed().why)]


class _Desk:
    """A desktop of its own for one test: ports, home and temporary folder, the demo's folder."""

    def __init__(self, folder: Path) -> None:
        self.ports = {name: str(free_port()) for name in _PORTS}
        self.started: list[subprocess.Popen[str]] = []
        self.state = folder / "demo"
        self.home, self.tmp = folder / "home", folder / "tmp"
        self.home.mkdir()
        self.tmp.mkdir()

    def give_to(self, user: int) -> None:
        for one in (self.home.parent, self.home, self.tmp):
            os.chown(one, user, user)

    def start(self, *words: str, within: "list[str] | None" = None) -> "subprocess.Popen[str]":
        moved = {"HOME": str(self.home), "TMPDIR": str(self.tmp)}
        process = subprocess.Popen(
            [*(within or ()), sys.executable, "-m", "lab.demo", "--state", str(self.state), "--guests", "12", *words],
            cwd=_ROOT, env={**os.environ, **self.ports, **moved}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip
        self.started.append(process)
        return process

    def read_until(self, process: "subprocess.Popen[str]", text: str, seconds: float = 120) -> str:
        assert process.stdout is not None
        deadline, said = time.monotonic() + seconds, ""
        while text not in said and time.monotonic() < deadline:
            line = process.stdout.readline()
            if not line:
                break
            said += line
        assert text in said, said
        return said

    def nothing_is_left(self) -> None:
        deadline = time.monotonic() + 60
        while list(strays(self.state)) and time.monotonic() < deadline:
            time.sleep(0.1)
        left = [Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ") for pid in strays(self.state)]
        assert left == []
        assert str(self.state) not in Path("/proc/self/mountinfo").read_text()
        assert list(self.home.iterdir()) == []
        assert list(self.tmp.iterdir()) == []
        for port in self.ports.values():  # given back
            socket.create_server(("127.0.0.1", int(port))).close()


@pytest.fixture
def desk(tmp_path):
    """A desk whose demos are ended, whatever becomes of the test."""
    here = _Desk(tmp_path)
    yield here
    for process in here.started:
        process.kill()
        process.communicate(timeout=20)


def _played(process: "subprocess.Popen[str]") -> str:
    out, _ = process.communicate(timeout=480)
    assert process.returncode == 0, out
    assert "FAILED" not in out
    assert not find_chromium() or "switched on: Chromium" in out
    return out


@pytest.mark.parametrize("net", [pytest.param("netns", marks=needs_netns), "none"])
def test_the_story_comes_true_after_a_killed_run_and_twice_in_a_row(desk, net):
    """kill -9 in the middle leaves no process; the next start cleans the rest and plays it all; so does the next."""
    killed = desk.start("--once", "--net", net)
    desk.read_until(killed, "parvis run gateway")
    killed.kill()
    killed.communicate(timeout=20)
    desk.nothing_is_left()
    for _ in range(2 if net == "netns" else 1):
        out = _played(desk.start("--once", "--net", net))
        assert "pending 0, dropped 0" in out
        assert ("skipped" in out) == (net == "none")
        desk.nothing_is_left()


@pytest.mark.parametrize("net", [pytest.param("netns", marks=needs_netns), "none"])
def test_the_zone_is_open_to_the_desktops_browser_until_ctrl_c(desk, net):
    """Portal, kiosk and platform answer on localhost; Ctrl-C ends it with 0 and leaves nothing."""
    process = desk.start("--net", net)
    desk.read_until(process, "  logs ")
    for name, words in (("PORTAL_PORT", "Parc Exemple"), ("KIOSK_PORT", "Parc Exemple"), ("PLATFORM_PORT", "gateway")):
        with urllib.request.urlopen(f"http://127.0.0.1:{desk.ports[name]}/", timeout=60) as page:
            assert words in page.read().decode(), name
    with urllib.request.urlopen(f"http://127.0.0.1:{desk.ports['PORTAL_PORT']}/", timeout=60) as page:
        may_accept = any(one.method == "post" for one in forms(page.read().decode()))
    assert may_accept == (net == "netns")  # there the desktop is a guest of its own; without, it is the story's phone
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=90)
    assert process.returncode == 0, out
    desk.nothing_is_left()


def test_where_the_kernel_allows_no_namespace_it_says_so_and_serves_without(desk):
    """The third ground, on a machine whose kernel refuses: played by setting the limit of namespaces to none."""
    if subprocess.run(["unshare", "-Ur", "true"], check=False, capture_output=True).returncode:
        pytest.skip("no user namespace to try it in")
    words = [sys.executable, "-m", "lab.demo", "--once", "--state", str(desk.state), "--guests", "3"]
    limit = 'echo 0 >/proc/sys/user/max_net_namespaces; exec "$@"'
    process = subprocess.Popen(
        ["unshare", "-Ur", "sh", "-c", limit, "sh", *words], cwd=_ROOT, env={**os.environ, **desk.ports},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert "No enforcement: the kernel refuses network namespaces" in _played(process)


def _within(script: str) -> list[str]:
    """Words that run a script in a mount namespace of its own before the words that follow."""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script + '\nexec "$@"', "sh"]


def _reachable(*places: Path, holding: str = "/mnt") -> str:
    """Shell lines that let everybody reach places below folders which only root may enter, as /root is."""
    lines = [f"mount -t tmpfs none {holding}"]
    closed = set()
    for number, place in enumerate(places):
        lines.append(f"mkdir {holding}/{number}; mount --bind {place} {holding}/{number}")
        closed |= {next(one for one in [*reversed(place.parents), place] if one == place or not one.stat().st_mode & 1)}
    lines += [f"mount -t tmpfs -o mode=755 none {folder}" for folder in sorted(closed)]
    lines += [f"mkdir -p {place}; mount --bind {holding}/{number} {place}" for number, place in enumerate(places)]
    return "\n".join(lines)


@pytest.mark.netns
@pytest.mark.skipif(allowed().ground != "root" or not shutil.which("mosquitto"), reason="hides Mosquitto, as root")
def test_where_mosquitto_is_missing_a_broker_in_python_serves(desk):
    """The whole story with amqtt at both ends, and it says so."""
    hide = f"mount --bind /dev/null {shutil.which('mosquitto')}"
    out = _played(desk.start("--once", "--net", "netns", within=_within(hide)))
    assert "amqtt, since Mosquitto is not installed" in out
    assert "pending 0, dropped 0" in out
    desk.nothing_is_left()


@pytest.mark.netns
@pytest.mark.skipif(allowed().ground != "root", reason="becomes nobody, which takes root")
@pytest.mark.skipif(not shutil.which("setpriv"), reason="no setpriv (apt install util-linux)")
def test_somebody_without_rights_plays_it_in_a_user_namespace(desk):
    """As nobody, by `unshare -Urnm`: the same story, with enforcement."""
    desk.give_to(_NOBODY)
    reachable = _reachable(_ROOT, Path(sys.base_prefix), desk.home.parent)
    words = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", "--no-new-privs"]
    out = _played(desk.start("--once", "--net", "auto", within=[*_within(reachable), *words]))
    assert "in an unprivileged user namespace" in out
    assert "skipped" not in out
    assert "pending 0, dropped 0" in out
    desk.nothing_is_left()


def test_a_taken_port_is_named_with_its_remedy(desk):
    """Before anything is started: which port, who has it, what to type."""
    with socket.create_server(("127.0.0.1", int(desk.ports["KIOSK_PORT"]))):
        process = desk.start("--once", "--net", "none")
        out, _ = process.communicate(timeout=90)
    assert process.returncode == 1
    assert f"127.0.0.1:{desk.ports['KIOSK_PORT']}" in out
    assert "KIOSK_PORT=" in out
    assert not (desk.state / "logs").exists()


def test_a_port_that_is_none_is_refused(desk):
    """A wrong environment variable is named."""
    desk.ports["PORTAL_PORT"] = "http"
    process = desk.start("--once")
    out, _ = process.communicate(timeout=90)
    assert process.returncode == 1
    assert "PORTAL_PORT='http' is no port" in out
