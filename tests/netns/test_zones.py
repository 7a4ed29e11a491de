# SPDX-License-Identifier: EUPL-1.2
"""Two zones behind one gateway: own addresses, sessions that hold where they were given, and no way between them."""

import contextlib
import json
import signal
import socket
import struct
import sys
from ipaddress import ip_address
from types import SimpleNamespace

import pytest

from captive_portal import client
from edge_core import clock, control
from edge_core.store import grants
from lab.hostapd import Hostapd

from .conftest import BODY, Guest, Stream, Zone, inside, run, until

pytestmark = pytest.mark.netns
STAFF4, STAFF6 = "10.78.0.1", "fd77:0:0:2::1"
STAFF = f"""
[presence]
window = 2
minimum = 1
rounding = 1
[[zone]]
id = "staff"
interface = "lan1"
ipv4 = "{STAFF4}/24"
ipv6 = "{STAFF6}/64"
dhcp_range = "10.78.0.10-10.78.0.250"
"""
WINDOWS = "SELECT json_extract(body, '$.data') FROM outbox WHERE type LIKE '%presence%'"


def second_bridge(zone):
    """Make another bridge of guests, which ends in lan1 of the gateway; return what a Guest needs to join it."""
    name = f"{zone.prefix}h"
    run("ip", "netns", "add", name)
    for which in ("all", "default"):
        run("ip", "netns", "exec", name, "sysctl", "-qw", f"net.ipv6.conf.{which}.disable_ipv6=1")
    run("ip", "-n", name, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
    run("ip", "-n", name, "link", "set", "br0", "up")
    run("ip", "-n", name, "link", "add", "up0", "type", "veth", "peer", "name", "lan1", "netns", zone.gateway)
    run("ip", "-n", name, "link", "set", "up0", "master", "br0", "up")
    return SimpleNamespace(guests=name, prefix=zone.prefix, folder=zone.folder)


@pytest.fixture(scope="module")
def two_zones(namespaces_allowed, tmp_path_factory):
    """A running gateway with the zones "main" and "staff"."""
    built = Zone(tmp_path_factory.mktemp("zones"))
    built.staff = second_bridge(built)
    built.write_config(STAFF)
    try:
        yield built.start()
    finally:
        built.tear_down()
        run("ip", "netns", "del", built.staff.guests, check=False)


@pytest.fixture
def public(two_zones):
    device = two_zones.guest().join()
    yield device
    device.leave()


@pytest.fixture
def colleague(two_zones):
    """A guest of the zone "staff"."""
    device = Guest(two_zones.staff, next(two_zones.numbers)).join()
    yield device
    device.leave()


def accept(zone, guest, where):
    with contextlib.closing(zone.store()) as store:
        grant = grants.accept(store, guest.mac, "free", 600, clock.now(), zone=where)
    assert control.nudge(zone.settings.agent_socket)
    return grant


def reaches(guest, address, port=80):
    try:
        guest.connect(address, port, 3.0).close()
    except OSError:
        return False
    return True


def six(guest):
    shown = json.loads(
        run("ip", "-n", guest.name, "-j", "-6", "address", "show", "dev", "eth0", "scope", "global").stdout
    )
    return shown[0]["addr_info"][0]["local"]


def ask_for_portal(guest):
    """Ask somebody's DNS server for the portal's address; return the answer as it comes."""
    name = b"".join(bytes([len(part)]) + part for part in b"portail.example.net".split(b"."))
    question = struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + name + struct.pack("!BHH", 0, 1, 1)
    with inside(guest.name):
        asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with asking:
        asking.settimeout(1)
        for _ in range(20):
            asking.sendto(question, ("198.51.100.9", 53))
            with contextlib.suppress(TimeoutError):
                return asking.recv(1500)
    raise AssertionError("no answer of DNS")


def test_each_zone_has_its_own_addresses_and_portal(two_zones, public, colleague):
    """DHCP, router advertisements and the portal's name lead to the gateway of the zone that asks."""
    assert public.address.startswith("10.77.")
    assert colleague.address.startswith("10.78.0.")
    assert ip_address(six(public)) in two_zones.settings.zones[0].ipv6.network
    assert ip_address(six(colleague)) in two_zones.settings.zones[1].ipv6.network
    for guest, own, other in ((public, two_zones.V4, STAFF4), (colleague, STAFF4, two_zones.V4)):
        told = ask_for_portal(guest)
        assert socket.inet_aton(own) in told
        assert socket.inet_aton(other) not in told
        with inside(two_zones.gateway):
            seen = client.identify(guest.address, two_zones.settings)
        assert seen.mac == guest.mac
        assert seen.zone == ("main" if guest is public else "staff")


def test_a_session_holds_in_its_own_zone_alone(two_zones, colleague):
    """A grant of the first zone opens nothing in the second, on IPv4 or IPv6; one of the second takes its place."""
    zone = two_zones
    accept(zone, colleague, "main")
    assert not reaches(colleague, zone.WEB4)
    assert not reaches(colleague, zone.WEB6)
    here = accept(zone, colleague, "staff")
    assert colleague.get(f"http://{zone.WEB4}/")[::2] == (200, len(BODY))
    assert colleague.get(f"http://[{zone.WEB6}]/")[::2] == (200, len(BODY))
    assert zone.rows("SELECT id, zone FROM grants WHERE mac = ? AND ended_at IS NULL", colleague.mac) == [
        (here.id, "staff")
    ]


def test_no_way_leads_from_one_zone_into_another(two_zones, public, colleague):
    """With sessions in both, neither reaches a device of the other; nor the other zone's gateway itself."""
    accept(two_zones, public, "main")
    accept(two_zones, colleague, "staff")
    for one, two in ((public, colleague), (colleague, public)):
        for address in (two.address, six(two)):
            stream = Stream(two.name, address, 7070)
            assert not reaches(one, address, 7070)
            stream.listener.close()
        assert reaches(one, two_zones.WEB4)
        assert not reaches(one, STAFF4 if one is public else two_zones.V4, 22)


def test_status_and_sessions_tell_the_zone(two_zones, public, colleague):
    """Counts and sessions are told by zone, to the technician's commands too."""
    accept(two_zones, public, "main")
    accept(two_zones, colleague, "staff")
    for guest in (public, colleague):
        guest.connect(two_zones.WEB4, 80).close()
    status = control.ask(two_zones.settings.agent_socket, {"op": "status"})
    assert {row["mac"]: row["zone"] for row in status["sessions"]}[colleague.mac] == "staff"
    until(lambda: _zone(two_zones, "staff")["online"] >= 1, 20, "the guest of the zone")
    assert _zone(two_zones, "main")["online"] >= 1
    words = ("-m", "edge_core.cli", "sessions", "list", "--json", "--config", str(two_zones.config))
    listed = json.loads(run("ip", "netns", "exec", two_zones.gateway, sys.executable, *words).stdout)
    assert {row["mac"]: row["zone"] for row in listed}[colleague.mac] == "staff"


def _zone(zone, name):
    return control.ask(zone.settings.agent_socket, {"op": "status"})["zones"][name]


def test_presence_is_counted_by_zone(two_zones, colleague):
    """Windows of both zones are told, and a guest of one counts in that one."""
    accept(two_zones, colleague, "staff")

    def told():
        windows = [json.loads(row[0]) for row in two_zones.rows(WINDOWS)]
        return {row["zone"] for row in windows} == {"main", "staff"} and any(
            row["zone"] == "staff" and row["associated"] and row["online"] for row in windows
        )

    until(told, 30, "a window with the guest")


def test_an_agent_killed_loses_no_session_of_a_further_zone(two_zones, colleague):
    """kill -9 and a new agent: the stream goes on, and the kernel's elements are as they were."""
    accept(two_zones, colleague, "staff")
    streams = [colleague.connect(address, 7777, 10) for address in (two_zones.WEB4, two_zones.WEB6)]
    two_zones.kill("agent", signal.SIGKILL)
    two_zones.start_agent()
    for stream in streams:
        stream.sendall(b"still here")
        assert stream.recv(64) == b"still here"
        stream.close()
    assert colleague.mac in two_zones.nft("list", "map", "inet", "parvis", "zone6").stdout


def test_zones_may_reach_each_other_where_the_settings_say_so(two_zones, public, colleague):
    """[enforcement] between_zones opens the way, without a session; taking it out again shuts it."""
    zone = two_zones
    stream = Stream(colleague.name, colleague.address, 7071)
    zone.write_config("[enforcement]\nbetween_zones = true\n" + STAFF)
    zone.setup()
    until(lambda: reaches(public, colleague.address, 7071), 20, "the way")
    zone.write_config(STAFF)
    zone.setup()
    until(lambda: not reaches(public, colleague.address, 7071), 20, "its end")
    stream.listener.close()


def test_a_vlan_is_made_or_refused_in_words(bare_zone):
    """Where the kernel knows 802.1Q the interface is made and taken away again; elsewhere it is told what to do."""
    text = STAFF.replace('interface = "lan1"', 'interface = "lan0.20"\nvlan = 20')
    bare_zone.write_config(text)
    said = bare_zone.setup(check=False)
    words = ("ip", "netns", "exec", bare_zone.gateway, sys.executable, "-m", "gateway_agent", "clear")
    if said.returncode:
        assert "[zone staff] vlan is 20" in said.stderr
        assert "8021q" in said.stderr
        assert "Traceback" not in said.stderr
    else:
        assert "lan0.20@lan0" in run("ip", "-n", bare_zone.gateway, "link").stdout
    run(*words, "--config", str(bare_zone.config))
    assert "lan0.20" not in run("ip", "-n", bare_zone.gateway, "link").stdout


def test_a_missing_interface_of_a_zone_is_named(bare_zone):
    """The message names the zone's section."""
    bare_zone.write_config(STAFF)
    said = bare_zone.setup(check=False)
    assert "[zone staff] interface is 'lan1'" in said.stderr


def test_who_is_associated_with_our_own_radio_is_told_by_hostapd(bare_zone, request):
    """With a stand-in for hostapd's socket: a device that associates is there at once, at the access point's name."""
    bare_zone.write_config(
        '[presence]\nwindow = 2\nminimum = 1\nrounding = 1\n[access_point]\ninterface = "wlan0"\nssid = "Parc"\n'
        'country = "FR"\nowe = false\n'
    )
    folder = bare_zone.settings.run_dir / "hostapd"
    folder.mkdir(parents=True)
    with inside(bare_zone.gateway):
        radio = Hostapd(folder / "wlan0")
    request.addfinalizer(radio.end)
    bare_zone.start()
    guest = bare_zone.guest().join()
    until(lambda: radio.attached, 40, "the agent at hostapd's socket")
    radio.tell(f"<3>AP-STA-CONNECTED {guest.mac}")
    ask = {"op": "status"}
    until(lambda: control.ask(bare_zone.settings.agent_socket, ask)["stations"] == {"wlan0": 1}, 40, "the station")

    def told():
        windows = [json.loads(row[0]) for row in bare_zone.rows(WINDOWS)]
        return any(row.get("access_point") == "passerelle" and row["associated"] == 1 for row in windows)

    until(told, 40, "the window of the access point")
    radio.tell(f"<3>AP-STA-DISCONNECTED {guest.mac}")
    until(lambda: control.ask(bare_zone.settings.agent_socket, ask)["stations"] == {"wlan0": 0}, 40, "its leaving")
