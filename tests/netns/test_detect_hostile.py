# SPDX-License-Identifier: EUPL-1.2
"""Hostile guests: a guest with a grant notices nothing, nothing crashes, and what was refused is counted."""

import json
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from .conftest import Stream, inside, run, until
from .detecting import fetch, press, whole

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]
HOSTILE = Path(__file__).with_name("hostile.py")
KINDS = ("http", "tls", "dns", "dhcp", "arp", "neighbours", "rogue", "half_open", "frames")
SECONDS = 2.0
COUNTED = {
    "http": ("portal_malformed",),
    "tls": ("portal_no_handshake",),
    "dns": ("dns_dropped",),
    "neighbours": ("flood_dropped",),
    "rogue": ("rogue_router_packets", "rogue_dhcp_packets"),
    "half_open": ("portal_guest_limit", "flood_dropped"),
}
"""Under what each kind is counted; the others leave nothing to refuse."""


class Steady(threading.Thread):
    """A guest with a grant whose stream never rests: small messages there and back, each timed."""

    def __init__(self, zone, guest):
        super().__init__(daemon=True)
        with inside(guest.name):
            self.connection = socket.create_connection((zone.WEB4, 7777), 5)
        self.connection.settimeout(5)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.times, self.broken, self.over = [], None, False
        self.start()

    def run(self):
        try:
            while not self.over:
                begun = time.monotonic()
                self.connection.sendall(b"x" * 1000)
                left = 1000
                while left:
                    left -= len(self.connection.recv(left)) or 1 / 0
                self.times.append(time.monotonic() - begun)
                time.sleep(0.002)
        except (OSError, ZeroDivisionError) as error:
            self.broken = error

    def taken(self):
        """Return (rounds, median, longest) since the last call, in seconds."""
        times, self.times = self.times, []
        assert times, f"the stream stands still: {self.broken}"
        return len(times), statistics.median(times), max(times)


@pytest.fixture(scope="module")
def zone(namespaces_allowed):
    with whole() as built:
        Stream(built.internet, built.WEB4, 7777)
        yield built


@pytest.fixture(scope="module")
def honest(zone):
    guest = zone.guest().join()
    zone.accept(guest)
    return guest


@pytest.fixture
def steady(zone, honest):
    stream = Steady(zone, honest)
    yield stream
    stream.over = True
    stream.join(10)
    stream.connection.close()


@pytest.fixture(scope="module")
def bystander(zone):
    return zone.guest().join()


def attack(zone, guest, kind, seconds=SECONDS, seed=7):
    link = json.loads(run("ip", "-n", zone.gateway, "-j", "link", "show", "lan0").stdout)[0]["address"]
    words = [
        "ip",
        "netns",
        "exec",
        guest.name,
        "env",
        f"HOSTILE_GATEWAY_MAC={link}",
        f"HOSTILE_ADDRESS={guest.address}",
    ]
    words += [sys.executable, str(HOSTILE), kind, str(seconds), str(seed)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_one_device_holds_few_connections_open_at_a_time(zone, bystander):
    """Four hundred at once, which no rate forbids: what is beyond its share is dropped, and others meet the portal.

    It never takes the answers, so that the front, which would end most of them, sees none.
    """
    guest = zone.guest().join()
    deaf = "table ip t { chain heard { type filter hook input priority 0; tcp flags & (syn|ack) == syn|ack drop; }; }"
    run("ip", "netns", "exec", guest.name, "nft", deaf)
    before = zone.status()["refused"]["flood_dropped"]
    with inside(guest.name):
        held = [socket.socket() for _ in range(400)]
    for each in held:
        each.settimeout(0)
        each.connect_ex((zone.V4, 80))
    until(lambda: zone.status()["refused"]["flood_dropped"] > before)
    assert fetch(zone, bystander, "/fr/")[0] == 200
    for each in held:
        each.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_guest_with_a_grant_notices_nothing(zone, steady, bystander, kind):
    """Its stream goes on without a gap, another guest meets the portal, every process lives, and it is counted."""
    hostile = zone.guest().join()
    pids, before = zone.pids(), zone.status()["refused"]
    steady.taken()
    time.sleep(0.5)
    calm = steady.taken()
    with attack(zone, hostile, kind) as process:
        time.sleep(SECONDS / 2)
        begun = time.monotonic()
        status, _, _ = fetch(zone, bystander, "/fr/")
        waited = time.monotonic() - begun
        said, errors = process.communicate(timeout=30)
    rounds, median, longest = steady.taken()
    print(f"{kind}: calm {calm}, under attack {(rounds, median, longest)}, a page {waited:.3f} s")
    assert json.loads(said)["kind"] == kind, errors
    assert steady.broken is None
    assert longest < 1.0
    assert rounds / SECONDS > 0.15 * calm[0] / 0.5
    assert (status, waited < 3.0) == (200, True)
    assert zone.pids() == pids
    after = zone.status()["refused"]
    for name in COUNTED.get(kind, ()):
        assert after[name] > before[name], (name, after)
    hostile.leave()


def test_who_plays_the_gateway_is_named(zone, bystander):
    """A guest that advertises itself as a router, or offers leases, is told to the operator; the log names nobody."""
    hostile = zone.guest().join()
    with attack(zone, hostile, "rogue", 0.3) as process:
        process.communicate(timeout=20)
    named = until(lambda: [one for one in zone.status()["rogues"] if one["mac"] == hostile.mac], 60, "the rogue")
    assert {one["kind"] for one in named} == {"router", "dhcp"}
    assert "guest_plays_gateway" in zone.log("run")
    assert hostile.mac not in zone.log("run")
    routes = run("ip", "-n", zone.gateway, "-6", "route", "show", "dev", "lan0").stdout
    assert "default" not in routes
    assert "bad" not in routes
    hostile.leave()


def test_a_borrowed_address_or_mac_opens_nothing(zone, steady):
    """Somebody else's address with one's own MAC, or the reverse with another address, gets nothing through."""
    owner = zone.guest().join()
    zone.accept(owner)
    thief = zone.guest().join()
    address = owner.address
    thief.ip("address", "flush", "dev", "eth0", "scope", "global")
    thief.ip("address", "add", f"{address}/20", "dev", "eth0")
    thief.ip("route", "replace", "default", "via", zone.V4)
    with pytest.raises(OSError, match=r"refused|route|timed out"):
        thief.connect(zone.WEB4, 7777, 1.0)
    owner.leave()  # the radio knows each MAC once: its owner sleeps
    thief.ip("address", "flush", "dev", "eth0", "scope", "global")
    thief.ip("link", "set", "eth0", "address", owner.mac)
    thief.ip("address", "add", "10.77.9.9/20", "dev", "eth0")
    thief.ip("route", "replace", "default", "via", zone.V4)
    with pytest.raises(OSError, match=r"refused|route|timed out"):
        thief.connect(zone.WEB4, 7777, 1.0)
    assert steady.broken is None
    thief.leave()


def test_neighbours_with_a_grant_are_held(zone, bystander):
    """The kernel may not collect what belongs to a session or a lease, however full its table; all else it may."""
    guest = zone.guest().join()
    guest.get(f"http://{zone.V4}/")
    guest.get(f"http://[{zone.V6}]/")

    def held(device):
        rows = json.loads(run("ip", "-n", zone.gateway, "-j", "neigh", "show", "dev", "lan0").stdout)
        return {row["dst"] for row in rows if row.get("lladdr") == device.mac and "extern_learn" in row}

    leased = {guest.address}
    until(lambda: held(guest) == leased, 60, "the hold of a lease")
    zone.accept(guest)
    until(lambda: len(held(guest)) >= 2, 60, "the hold")
    assert held(bystander) <= {bystander.address}
    press(zone, guest, "logout")
    until(lambda: held(guest) == leased, 60, "its end")
