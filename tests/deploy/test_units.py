# SPDX-License-Identifier: EUPL-1.2
"""The unit files as they are installed: well-formed, closed, and complete; nothing is started here."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kiosk.corner_rules import MINUTES, PROXY

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "systemd"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
ROOTS = {"parvis-order.service", "parvis-reload.service"}  # systemd believes nobody else
CORNER = {"parvis-corner.service", "parvis-corner-rules.service", "parvis-corner-proxy.service"}
BY_PATH = {
    *CORNER,
    "parvis-reread.service",
    "parvis-revoked.service",
    "parvis-stick.service",
    *ROOTS,
}  # started by a path or by udev, for a moment
LASTING = [name for name in SERVICES if name not in BY_PATH]
OTHERS = sorted(path.name for kind in ("socket", "path") for path in UNITS.glob(f"*.{kind}"))
ALL = sorted([*SERVICES, *OTHERS, "parvis.target"])
OURS, AGENT = 20, 40  # tenths of the exposure level that `systemd-analyze security` tells
TOOL = shutil.which("systemd-analyze")
NEEDED = pytest.mark.skipif(TOOL is None, reason="systemd-analyze is not installed: apt install systemd")
PROGRAMS = (
    "opt/parvis/current/bin/python",
    "opt/parvis/proven/bin/python",
    "opt/parvis/screen/start",
    "usr/sbin/dnsmasq",
    "usr/sbin/hostapd",
    "usr/sbin/keepalived",
    "usr/sbin/nginx",
    "usr/bin/pkill",
    "usr/bin/tinyproxy",
    "bin/kill",
    "bin/sh",
)
SYSTEM_UNITS = ("sysinit.target", "basic.target", "shutdown.target", "sockets.target", "multi-user.target")


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """A root folder in which the units are installed and the programs that they name exist."""
    root = tmp_path_factory.mktemp("image")
    shutil.copytree(UNITS, root / "etc/systemd/system", ignore=shutil.ignore_patterns("*.d"))
    for folder in UNITS.glob("*.service.d"):
        shutil.copytree(folder, root / "etc/systemd/system" / folder.name)
    system = root / "usr/lib/systemd/system"
    system.mkdir(parents=True)
    for name in SYSTEM_UNITS:
        (system / name).write_text(f"[Unit]\nDescription={name}\nDefaultDependencies=no\n")
    for program in PROGRAMS:
        path = root / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    return root


def read(name):
    """Return a unit with its drop-ins, in the order in which systemd reads them: {section: [(key, value)]}."""
    files = [UNITS / name]
    if name.endswith(".service"):
        folders = (UNITS / "parvis-.service.d", UNITS / f"{name}.d")
        files += sorted((path for folder in folders for path in folder.glob("*.conf")), key=lambda path: path.name)
    found: dict[str, list[tuple[str, str]]] = {}
    for file in files:
        section = ""
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif line and not line.startswith("#"):
                key, _, value = line.partition("=")
                found.setdefault(section, []).append((key, value))
    return found


def value(name, key, section="Service"):
    """Return the last value of a key, or None."""
    return dict(read(name).get(section, [])).get(key)


@NEEDED
def test_systemd_finds_nothing_to_say(image):
    """`systemd-analyze verify` is silent: it exits 0 on an unknown key, but it can't help naming it."""
    done = subprocess.run(
        [TOOL, "verify", f"--root={image}", "--man=no", *ALL], capture_output=True, text=True, check=False
    )
    assert (done.stderr, done.returncode) == ("", 0)


@NEEDED
def test_verify_would_say_what_is_wrong(image, tmp_path):
    """The check above can fail: a key that systemd doesn't know is named."""
    broken = tmp_path / "image"
    shutil.copytree(image, broken)
    with (broken / "etc/systemd/system/parvis-sync.service").open("a") as file:
        file.write("[Service]\nProtectEverything=yes\n")
    done = subprocess.run(
        [TOOL, "verify", f"--root={broken}", "--man=no", "parvis-sync.service"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "ProtectEverything" in done.stderr


@NEEDED
@pytest.mark.parametrize("name", SERVICES)
def test_the_sandbox_is_tight(name, image):
    """Each of our units is at 2.0 or below, the agent with its capability at 4.0 or below."""
    limit = AGENT if name == "parvis-agent.service" else OURS
    done = subprocess.run(
        [TOOL, "security", "--offline=yes", f"--root={image}", f"--threshold={limit}", "--no-pager", name],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = (done.stdout or done.stderr).splitlines()
    assert done.returncode == 0, [line for line in said if line.startswith("✗")] + said[-1:]


@pytest.mark.parametrize("name", LASTING)
def test_every_service_comes_back_and_is_bounded(name):
    """A service is tried again for ever, has a bound of memory, a user of its own, and belongs to the target."""
    oneshot = value(name, "Type") == "oneshot"
    assert value(name, "Restart") == ("on-failure" if oneshot else "always")
    assert value(name, "StartLimitIntervalSec", "Unit") == "0"
    assert re.fullmatch(r"[0-9]+M", value(name, "MemoryMax") or "")
    # The installer is root without any capability: it changes what runs, and has services started again.
    assert (value(name, "User") or "").startswith("parvis") or name == "parvis-release.service"
    assert value(name, "PartOf", "Unit") == "parvis.target"
    assert value(name, "WantedBy", "Install") == "parvis.target"


def test_a_gigabyte_is_enough():
    """All units of a gateway that shows a kiosk's pages too fit into a Pi with 1 GB beside the system itself."""
    oneshots = {name for name in SERVICES if value(name, "Type") == "oneshot"}
    most = {name: int((value(name, "MemoryMax") or "0").removesuffix("M")) for name in SERVICES}
    corner = {"parvis-corner.service", "parvis-corner-proxy.service"}  # in place of the screen, never beside it
    limits = {name: most[name] for name in SERVICES if name not in {*oneshots, *corner, "parvis-screen.service"}}
    assert sum(limits.values()) <= 900, limits
    assert sum(most[name] for name in corner) <= most["parvis-screen.service"]


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_waits_for_clock_or_network(name):
    """A device that boots without an uplink and with a wrong clock serves its pages all the same."""
    words = " ".join(f"{key}={what}" for key, what in read(name)["Unit"])
    assert "network-online" not in words
    assert "time-sync" not in words


def test_only_those_that_must_hold_a_capability():
    """CAP_NET_ADMIN belongs to the agent, its set-up, dnsmasq, hostapd and keepalived; nobody else has."""
    holders = {name: value(name, "CapabilityBoundingSet") for name in SERVICES if value(name, "CapabilityBoundingSet")}
    assert {name for name, caps in holders.items() if "CAP_NET_ADMIN" in caps} == {
        "parvis-agent.service", "parvis-setup.service", "parvis-dnsmasq.service", "parvis-access-point.service",
        "parvis-keepalived.service",
    }  # fmt: skip
    others = set(holders) - {name for name, caps in holders.items() if "NET_ADMIN" in caps}
    assert {name: holders[name] for name in others} == {
        "parvis-front.service": "CAP_NET_BIND_SERVICE", "parvis-advertiser.service": "CAP_NET_RAW",
        "parvis-stick.service": "CAP_SYS_ADMIN",
    }  # fmt: skip


def test_every_user_is_made():
    """Each user and group of a unit or a folder is made by sysusers.d(5)."""
    made = {
        line.split()[1]
        for line in (UNITS / "sysusers.d/parvis.conf").read_text().splitlines()
        if line[:1] in ("u", "g")
    }
    used = {value(name, key) for name in SERVICES if name not in ROOTS for key in ("User", "Group")}
    for line in (UNITS / "tmpfiles.d/parvis.conf").read_text().splitlines():
        if line and not line.startswith("#"):
            used |= set(line.split()[3:5])
    assert used - {"-", "root"} <= made


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is not installed")
def test_sysusers_and_tmpfiles_apply(tmp_path):
    """Both files are applied to an empty root without a word of warning, and give the folders that units bind."""
    (tmp_path / "etc").mkdir()
    for name in ("passwd", "group"):
        (tmp_path / "etc" / name).write_text("root:x:0:0::/:/bin/sh\n" if name == "passwd" else "root:x:0:\n")
    for tool, kind in (("systemd-sysusers", "sysusers.d"), ("systemd-tmpfiles", "tmpfiles.d")):
        words = [
            tool,
            f"--root={tmp_path}",
            *(["--create"] if "tmpfiles" in tool else []),
            str(UNITS / kind / "parvis.conf"),
        ]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        warned = [line for line in done.stderr.splitlines() if not line.startswith("Creating")]
        assert not warned
    state = tmp_path / "var/lib/parvis"
    assert oct(state.stat().st_mode & 0o7777) == "0o2771"
    assert (state / "run").readlink() == Path("/run/parvis")


def test_what_is_bound_into_a_unit_exists():
    """A source of BindPaths= that is missing would keep its unit from starting: tmpfiles.d makes each."""
    made = {
        line.split()[1]
        for line in (UNITS / "tmpfiles.d/parvis.conf").read_text().splitlines()
        if line.startswith(("d", "f"))
    }
    made |= {"/run/parvis-corner-rules/policies"}  # by the service that the one which binds it requires
    for name in SERVICES:
        for key, what in read(name)["Service"]:
            if key in ("BindPaths", "BindReadOnlyPaths", "ReadWritePaths"):
                assert {path.partition(":")[0] for path in what.split()} <= made, name


@pytest.mark.parametrize("name", ["parvis-reread.service", "parvis-revoked.service"])
def test_who_signals_a_process_of_its_own_user_can_see_it(name):
    """ProtectProc=invisible hides one that holds capabilities or has a user namespace, and pkill would find nobody."""
    assert value(name, "ProtectProc") == "default"


def test_the_reload_reaches_what_the_group_shares():
    """Root without a capability is nobody special in a folder of 2770: the group lets it in."""
    assert (value("parvis-reload.service", "User"), value("parvis-reload.service", "Group")) == ("root", "parvis")


def test_the_broker_s_reload_is_not_a_new_start():
    """Without ExecReload= `parvis reload` would start it anew, and cut the line of every kiosk."""
    assert value("parvis-broker.service", "ExecReload").endswith("--reload $MAINPID")


def test_the_corner_is_in_place_of_the_screen_and_wiped():
    """The corner's browser has one way out, a folder in memory that ends with it, and gives the screen back."""
    unit = read("parvis-corner.service")["Unit"]
    for how in ("Conflicts", "After"):
        assert any("parvis-screen.service" in what for key, what in unit if key == how)
    for how in ("OnSuccess", "OnFailure"):
        assert value("parvis-corner.service", how, "Unit") == "parvis-screen.service"
    assert [what for key, what in read("parvis-corner.service")["Service"] if key == "IPAddressAllow"] == [PROXY[0]]
    assert value("parvis-corner.service", "RuntimeDirectory") == "parvis-corner"
    assert value("parvis-corner.service", "RuntimeDirectoryPreserve") is None
    assert int((value("parvis-corner.service", "RuntimeMaxSec") or "").removesuffix("min")) > MINUTES
