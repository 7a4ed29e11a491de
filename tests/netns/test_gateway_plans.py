# SPDX-License-Identifier: EUPL-1.2
"""What a plan gives, who is shut out, what is open before a grant, and what repairs itself."""

import contextlib
import fcntl
import json
import signal
import socket
import sys
import threading
import time

import pytest

from edge_core import clock, control
from edge_core.store import database, followed, grants, vouchers
from gateway_agent import isolation, network, nft_ruleset

from .conftest import BODY, Stream, inside, run, until
from .test_gateway_granted import dies_within, echo, ended
from .test_gateway_survival import live_flow

pytestmark = pytest.mark.netns


@pytest.fixture(scope="module")
def zone(zone):
    """The running zone, with a walled garden: a name with all below it, and a network."""
    zone.write_config('[walled_garden]\nhosts = ["*.bank.example", "198.51.100.0/24"]')
    run("ip", "-n", zone.internet, "address", "add", "198.51.100.9/24", "dev", "up0")
    zone.setup()
    zone.kill("dnsmasq")
    zone.start_dnsmasq()
    until(lambda: "settings_read_again" in zone.log("agent"), 60, "the new settings")
    until(lambda: control.ask(zone.settings.agent_socket, {"op": "status"}), 60, "the agent")
    return zone


def accept(zone, guest, seconds=600, **limits):
    with contextlib.closing(zone.store()) as store:
        grant = grants.accept(store, guest.mac, "plan", seconds, clock.now(), limits=grants.Limits(**limits))
    assert control.nudge(zone.settings.agent_socket)
    return grant


def drain(zone, guest, size, seconds=20.0):
    """Send `size` bytes from the Internet to a guest over one TCP connection; return bytes a second at the guest."""
    with inside(zone.internet):
        listener = socket.create_server(("192.0.2.1", 0))

    def send():
        peer, _ = listener.accept()
        with peer, contextlib.suppress(OSError):
            peer.sendall(bytes(size))

    threading.Thread(target=send, daemon=True).start()
    got, began = 0, time.monotonic()
    with listener, guest.connect("192.0.2.1", listener.getsockname()[1]) as connection:
        connection.settimeout(seconds)
        with contextlib.suppress(OSError):
            while data := connection.recv(1 << 20):
                got += len(data)
    return got, got / (time.monotonic() - began)


def test_a_rate_holds_for_its_device_and_no_other(zone, guest):
    """A plan of 16 Mb/s down passes so much and no more; a device without a rate is not slowed by it."""
    other = zone.guest().join()
    accept(zone, guest, rate_up=8_000, rate_down=16_000)
    accept(zone, other)
    got, speed = drain(zone, guest, 4_000_000)
    assert got == 4_000_000
    assert 0.85 < speed * 8 / 16e6 < 1.02
    assert drain(zone, other, 4_000_000)[1] * 8 > 100e6


def test_the_class_of_a_rate_ends_with_its_session(zone, guest):
    """Ending a session removes its class from both interfaces."""
    grant = accept(zone, guest, rate_up=1_000, rate_down=1_000)
    name = f"5041:{grant.id + 1:x}"
    for device in ("lan0", "wan0"):
        assert name in run("tc", "-n", zone.gateway, "class", "show", "dev", device).stdout
    zone.end(guest)
    for device in ("lan0", "wan0"):
        assert name not in run("tc", "-n", zone.gateway, "class", "show", "dev", device).stdout


def test_a_quota_ends_the_session(zone, guest):
    """Who has used up the plan's bytes is offline, told as "quota"; what passed beyond is a few seconds' worth."""
    grant = accept(zone, guest, rate_down=16_000, quota=3_000_000)
    got, _ = drain(zone, guest, 40_000_000, 6.0)
    assert 2_500_000 < got < 9_000_000
    assert ended(zone, grant)["reason"] == "quota"
    assert guest.get("http://192.0.2.1/")[0] == 302


def test_the_devices_of_one_code_share_its_quota(zone, guest):
    """What one of them has used the other has no more: both are offline once it is used up together."""
    other = zone.guest().join()
    with contextlib.closing(zone.store()) as store:
        limits = grants.Limits(rate_down=16_000, quota=4_000_000)
        now, terms = clock.now(), {"batch": "b", "plan": "plan", "seconds": 600, "devices": 2, "count": 1}
        vouchers.make(store, b"k", limits=limits, valid_until=now + 600, now=now, **terms)
        (code,) = vouchers.all_of(store)
        both = [
            grants.accept(store, each.mac, "plan", 600, now, limits=limits, holder=code.holder)
            for each in (guest, other)
        ]
    assert control.nudge(zone.settings.agent_socket)
    assert drain(zone, guest, 3_000_000)[0] == 3_000_000
    drain(zone, other, 40_000_000, 6.0)
    assert [ended(zone, grant)["reason"] for grant in both] == ["quota", "quota"]
    assert guest.get("http://192.0.2.1/")[0] == 302


def test_a_blocked_device_gets_nothing(zone, guest):
    """Blocking ends the session and what was open, shuts out portal, names and Internet; unblocking opens it again."""
    parvis = (sys.executable, "-m", "edge_core.cli", "block")
    Stream(zone.internet, "198.51.100.9", 4444)
    with guest.connect("198.51.100.9", 4444) as open_before:
        echo(open_before)
        accept(zone, guest)
        assert guest.get("http://192.0.2.1/")[0] == 200
        run(*parvis, "add", guest.mac.upper(), "--config", str(zone.config))
        assert dies_within(open_before, 5)
    assert guest.mac in run(*parvis, "list", "--json", "--config", str(zone.config)).stdout
    assert guest.get("http://192.0.2.1/")[0] == 0
    assert guest.get("http://10.77.0.1/")[0] == 0
    assert control.ask(zone.settings.agent_socket, {"op": "status"})["dropped"]["blocked_dropped"] > 0
    run(*parvis, "remove", guest.mac, "--config", str(zone.config))
    assert guest.get("http://192.0.2.1/")[0] == 302


def test_the_walled_garden_is_open_by_address_and_by_name(zone, guest):
    """Before a grant a listed network, and a name with all below it, pass; anything else is led to the portal."""
    with inside(zone.internet), socket.create_server(("198.51.100.9", 4443)):
        guest.connect("198.51.100.9", 4443).close()
    assert guest.get("http://192.0.2.1/")[0] == 302
    answer = resolve(guest, "www.bank.example")
    assert answer == "192.0.2.1"
    assert guest.get("http://192.0.2.1/")[::2] == (200, len(BODY))
    zone.nft("flush", "set", "inet", "parvis", "garden4")
    assert guest.get("http://192.0.2.1/")[0] == 302


def resolve(guest, name, kind=1):
    """Ask the gateway for a name's IPv4 address by a DNS question of our own; None without an answer."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + labels + b"\0" + bytes([0, kind, 0, 1])
    with inside(guest.name), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(0.5)
        asker.sendto(question, ("10.77.0.1", 53))
        try:
            answer = asker.recv(4096)
        except TimeoutError:
            return None
    return socket.inet_ntoa(answer[-4:])


def test_random_labels_are_limited_before_a_grant_and_counted(zone, guest):
    """A tunnel's questions, long or many, soon get no answer; what was refused is counted; a grant lifts it."""
    before = control.ask(zone.settings.agent_socket, {"op": "status"})["dropped"]["dns_dropped"]
    long = [f"{n:060x}.{n:050x}.tunnel.example" for n in range(45)]
    with inside(guest.name), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        for name in long:
            labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
            asker.sendto(b"\0\1\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1", ("10.77.0.1", 53))
    dropped = control.ask(zone.settings.agent_socket, {"op": "status"})["dropped"]["dns_dropped"] - before
    assert 10 <= dropped <= 20
    assert resolve(guest, "short.example") == "192.0.2.1"
    accept(zone, guest)
    assert resolve(guest, f"{'a' * 60}.{'b' * 60}.example") == "192.0.2.1"


@pytest.mark.parametrize(
    "harm",
    [
        ("flush", "ruleset"),
        ("delete", "table", "inet", "parvis"),
        ("flush", "chain", "inet", "parvis", "forward"),
        ("chain", "inet", "parvis", "forward", "{ policy accept ; }"),
        ("flush", "map", "inet", "parvis", "grant6"),
    ],
)
def test_what_somebody_breaks_by_hand_is_repaired(zone, guest, harm):
    """Whatever is deleted or changed in our table is as it was within 5 s, and sessions are kept."""
    accept(zone, guest)
    before = structure(zone)
    zone.nft(*harm)
    until(lambda: structure(zone) == before, 60, "the repair")
    until(lambda: guest.get("http://[2001:db8:1::1]/")[0] == 200, 60, "the way")


def test_a_rule_exchanged_for_another_is_repaired(zone, guest):
    """The number of rules is the same, their meaning is not: that is seen too."""
    before = structure(zone)
    rows = json.loads(zone.nft("-j", "-a", "list", "chain", "inet", "parvis", "forward").stdout)["nftables"]
    handle = max(row["rule"]["handle"] for row in rows if "rule" in row)
    zone.nft("replace", "rule", "inet", "parvis", "forward", "handle", str(handle), "counter", "accept")
    until(lambda: structure(zone) == before, 60, "the repair")


def structure(zone):
    """Return our table's rules without what counts or comes and goes."""
    listed = run("ip", "netns", "exec", zone.gateway, "nft", "-s", "-t", "list", "table", "inet", "parvis", check=False)
    return listed.stdout


def test_reading_the_settings_again_breaks_nothing(zone, guest):
    """At SIGHUP the same process begins anew; a live connection and the session go on, a stranger is out."""
    accept(zone, guest)
    stranger = zone.guest().join()
    agent = zone.processes["agent"].pid
    with live_flow(guest) as trips:
        for _ in range(3):
            at = trips()
            seen = zone.log("agent").count("agent_ready")
            zone.processes["agent"].send_signal(signal.SIGHUP)
            assert stranger.get("http://192.0.2.1/")[0] == 302
            until(lambda seen=seen: zone.log("agent").count("agent_ready") > seen, 60, "the agent")
            until(lambda at=at: trips() > at + 20, 60, "traffic")
    assert zone.processes["agent"].pid == agent
    assert zone.processes["agent"].poll() is None
    assert guest.get("http://192.0.2.1/")[0] == 200


def test_a_setup_with_other_settings_is_adopted(zone, guest):
    """Set up anew by hand, the gateway keeps the new rules: the agent reads the settings instead of undoing them."""
    accept(zone, guest)
    zone.write_config(
        '[walled_garden]\nhosts = ["*.bank.example", "198.51.100.0/24"]\n[enforcement]\nisolation = false'
    )
    with live_flow(guest) as trips:
        zone.setup()
        at = trips()
        until(lambda: trips() > at + 50, 60, "traffic")
    version = nft_ruleset.version(zone.settings)
    time.sleep(2.5)
    assert version in structure(zone)
    assert guest.get("http://192.0.2.1/")[0] == 200


def test_whoever_loads_rules_is_waited_for(zone, guest):
    """Between the loading of rules and the note of it the agent doesn't take them for damage and put its own back."""
    accept(zone, guest)
    with (zone.settings.run_dir / "rules.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        zone.nft("delete", "table", "inet", "parvis")
        time.sleep(3)
        assert not structure(zone)
    until(lambda: structure(zone), 60, "the rules")
    until(lambda: guest.get("http://192.0.2.1/")[0] == 200, 60, "the guest's way")


def test_guests_reach_each_other_where_isolation_is_off(zone, guest):
    """With `isolation = false` one guest reaches another through the gateway; by default it is refused."""
    other = zone.guest().join()
    guest.ip("route", "add", other.address, "via", "10.77.0.1")
    with inside(other.name):
        listener = socket.create_server(("0.0.0.0", 9000))
    with listener:
        guest.connect(other.address, 9000, 2).close()


def test_ports_of_a_bridge_are_isolated(bare_zone):
    """Where the gateway is itself the bridge of several access points, they reach it and not each other."""
    run("ip", "-n", bare_zone.gateway, "link", "set", "lan0", "name", "port0")
    run("ip", "-n", bare_zone.gateway, "link", "add", "lan0", "type", "bridge")
    run("ip", "-n", bare_zone.gateway, "link", "set", "port0", "master", "lan0")
    database.migrate(bare_zone.settings)
    bare_zone.setup()

    def port():
        return run("bridge", "-n", bare_zone.gateway, "-d", "link", "show", "dev", "port0").stdout

    assert "isolated on" in port()
    for way in (["nomaster"], ["master", "lan0"]):  # unplugged, and plugged in again under the same name
        run("ip", "-n", bare_zone.gateway, "link", "set", "port0", *way)
    assert "isolated off" in port()
    with inside(bare_zone.gateway):
        isolation.isolate_newcomers(bare_zone.settings.zones, network.note_of(bare_zone.settings))
    assert "isolated on" in port()
    clear = ("-m", "gateway_agent", "clear", "--config", str(bare_zone.config))
    run("ip", "netns", "exec", bare_zone.gateway, sys.executable, *clear)
    assert "isolated off" in port()


def test_a_step_of_the_clock_costs_nobody_time(zone, guest):
    """The store's note says that the clock was a day behind: what guests have left stays what it was."""
    grant = accept(zone, guest, 600)
    zone.kill("agent")
    with contextlib.closing(zone.store()) as store:
        # As if all of it had been written by a clock a day behind ours, and NTP came while the agent was away.
        boot, offset, wall = json.loads(store.execute("SELECT value FROM meta WHERE key = 'clock'").fetchone()[0])
        with database.write(store):
            followed.shift(store, -86400.0, grant.id)
            note = json.dumps([boot, offset - 86400.0, wall - 86400.0])
            store.execute("UPDATE meta SET value = ? WHERE key = 'clock'", [note])
    with live_flow(guest) as trips:
        zone.start_agent()
        at = trips()
        until(lambda: trips() > at + 20, 60, "traffic")

    def left():
        rows = control.ask(zone.settings.agent_socket, {"op": "status"})["sessions"]
        return [row["remaining"] for row in rows if row["mac"] == guest.mac]

    assert 580 < until(left, 60, "the session")[0] <= 600
