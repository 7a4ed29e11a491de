# SPDX-License-Identifier: EUPL-1.2
"""Planted addresses, names and codes are looked for wherever a running gateway writes: they must be nowhere."""

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from edge_core import clock
from edge_core.store import grants, vouchers

from .conftest import until
from .test_kill import BROKER_PORT, Whole

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]
NAME, ASKED = "Planted-Phone-of-Nobody", "mot-plante-7391"


@pytest.fixture
def whole(bare_zone):
    """A gateway that runs by its own command, with a platform that acknowledges."""
    if not shutil.which("mosquitto") or not shutil.which("tcpdump"):
        pytest.skip("mosquitto or tcpdump is not installed")
    return Whole(bare_zone)


def spellings(mac):
    """Every way in which an address may be written, as text and as bytes."""
    bare = mac.replace(":", "")
    texts = [mac, mac.upper(), mac.replace(":", "-"), bare, bare.upper(), ".".join(bare[n : n + 4] for n in (0, 4, 8))]
    return [text.encode() for text in texts] + [bytes.fromhex(bare)]


def join(guest, zone):
    """Take a lease under a name of its own."""
    script = str(zone.folder / "lease.sh")
    guest.run("udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "10", "-T", "1", "-s", script, "-x", f"hostname:{NAME}")


def written(zone):
    """Return every file that the gateway wrote, by name; dnsmasq's leases are looked at apart."""
    found = {}
    for folder in (zone.settings.device.state_dir, zone.folder):
        for path in folder.rglob("*"):
            if path.is_file() and path.name not in {"dnsmasq.leases", "gateway.toml"}:
                with contextlib.suppress(OSError):
                    found[str(path)] = path.read_bytes()
    return found


def test_nothing_planted_is_found_after_its_session(whole):
    """In databases and their logs, in what processes say, on the wire to the broker and the platform, in a core dump.

    While the session lasts the address is in `grants`, as documented; that is looked at too, or nothing was planted.
    """
    zone = whole.zone
    capture = zone.folder / "wire.pcap"
    words = ("tcpdump", "-i", "any", "-U", "-w", str(capture), "tcp", "port", str(BROKER_PORT), "or", "port", "1883")
    zone.spawn("tcpdump", zone.gateway, *words)
    until(lambda: capture.exists() and capture.stat().st_size > 0, 20, "the capture")
    guests = [zone.guest() for _ in range(3)]
    for guest in guests:
        join(guest, zone)
    with contextlib.closing(zone.store()) as store:
        limits = grants.Limits(None, None, None)
        key = bytes(32)  # which one doesn't matter: nobody enters the code
        (code,) = vouchers.make(
            store, key, batch="b", plan="voucher", limits=limits, count=1, seconds=600, devices=1,
            valid_until=clock.now() + 600, now=clock.now(),
        )  # fmt: skip
    guests[0].get(f"http://{zone.V4}/fr/companies?q={ASKED}")
    for guest in guests:
        zone.grant(guest)
    held = b"".join(written(zone).values())
    assert all(guest.mac.encode() in held for guest in guests)
    start = time.monotonic()
    until(lambda: whole.events("eu.parvis.presence.window.v1")[0] >= 2, 60, "windows at the platform")
    for guest in guests:
        zone.end(guest)
    until(lambda: whole.events("eu.parvis.session.ended.v1")[0] == 3, 60, "three ends at the platform")
    planted = {text: guest.mac for guest in guests for text in spellings(guest.mac)}
    planted |= {NAME.encode(): "name", ASKED.encode(): "word", code.encode(): "code"}

    def left():
        return {
            (path.rpartition("/")[2], what) for path, data in written(zone).items()
            for text, what in planted.items() if text in data
        }  # fmt: skip

    until(lambda: not left(), 90, f"an empty search; still there {left()}, after {time.monotonic() - start:.0f} s")
    assert capture.stat().st_size > 2000
    leases = zone.settings.leases_file.read_bytes()
    assert NAME.encode() not in leases
    _leaves_no_dump(whole)


def _leaves_no_dump(whole):
    """A process of the gateway that crashes writes no core, also where the machine's limits would let it."""
    pids = whole.pids()
    for name in ("agent", "sync", "portal", "broker"):
        limits = Path(f"/proc/{pids[name]}/limits").read_text()
        (line,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
        assert line.split()[4:6] == ["0", "0"], (name, line)
    os.kill(pids["agent"], signal.SIGABRT)
    until(lambda: whole.pids()["agent"] != pids["agent"], 30, "a new agent")
    cores = [path for path in whole.zone.folder.rglob("core*") if path.is_file()]
    assert cores == []
