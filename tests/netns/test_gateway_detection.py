# SPDX-License-Identifier: EUPL-1.2
"""Who is here, as the kernel knows it."""

import contextlib
import json
import sys
from ipaddress import IPv4Address, IPv6Address

import pytest

from edge_core.neighbour import mac_of
from edge_core.netlink import NetlinkError
from edge_core.store import database
from gateway_agent.neighbours import Neighbours
from gateway_agent.nft_elements import Changes, Table, Value, key_mac

from .conftest import inside, run, until

pytestmark = pytest.mark.netns


def test_the_mac_behind_an_address_is_found(zone, guest):
    """The portal learns a guest's MAC from either address, and none for an address that nobody has."""
    guest.get("http://10.77.0.1/")
    guest.get("http://[fd77::1]/")
    listed = json.loads(guest.run("ip", "-j", "-6", "address", "show", "dev", "eth0", "scope", "global").stdout)
    with inside(zone.gateway):
        assert mac_of(IPv4Address(guest.address), "lan0") == guest.mac
        assert mac_of(IPv6Address(listed[0]["addr_info"][0]["local"]), "lan0") == guest.mac
        assert mac_of(IPv4Address("10.77.15.254"), "lan0") is None
        assert mac_of(IPv4Address(guest.address), "no-such") is None


def test_a_device_that_left_in_silence_is_found_gone(zone, guest):
    """A silent device is tried by the kernel; without an answer it is no longer present."""
    guest.get("http://10.77.0.1/")
    with inside(zone.gateway), contextlib.closing(Neighbours("lan0")) as neighbours:
        assert guest.mac in neighbours.present()
        until(lambda: [row for row in _entries(zone) if row["lladdr"] == guest.mac and "PERMANENT" in row["state"]])
        loose = (row for row in _entries(zone) if row["lladdr"] == guest.mac and "PERMANENT" not in row["state"])
        for address in loose:
            run("ip", "-n", zone.gateway, "neigh", "change", address["dst"], "dev", "lan0", "nud", "stale")
        neighbours.follow()
        assert guest.mac in neighbours.present()
        guest.ip("link", "set", "eth0", "down")
        assert neighbours.probe() >= 1
        assert until(lambda: _without(neighbours, guest.mac), 60, "the departure")


def _entries(zone):
    rows = json.loads(run("ip", "-n", zone.gateway, "-j", "neigh", "show", "dev", "lan0").stdout)
    return [row for row in rows if "lladdr" in row]


def _without(neighbours, mac):
    neighbours.follow()
    return mac not in neighbours.present()


def test_a_window_of_presence_reaches_the_outbox(bare_zone):
    """Counts of a window become one event, told after its end, without anything about a single device."""
    bare_zone.write_config("[presence]\nwindow = 2\nminimum = 1\nrounding = 1")
    bare_zone.start()
    guests = [bare_zone.guest().join() for _ in range(3)]
    bare_zone.grant(guests[0])
    sql = "SELECT body FROM outbox WHERE type = 'eu.parvis.presence.window.v1'"
    windows = until(lambda: [w for w in _data(bare_zone.rows(sql)) if w["associated"] == 3], 20, "a window")
    assert windows[0]["associated"] == 3
    assert windows[0]["zone"] == "main"
    assert windows[0]["start"] % 2 == 0
    told = _data(bare_zone.rows(sql))
    assert len({window["start"] for window in told}) == len(told)
    assert sum(window["arrivals"] or 0 for window in told) == 3
    assert not any(guest.mac in row[0] for guest in guests for row in bare_zone.rows(sql))


def test_an_access_point_is_the_port_where_a_device_was_learned(zone):
    """Where the guests' side is a bridge with a port for each access point, each device is at its port, by alias."""
    here, other = zone.guest(), zone.guest()  # a port that comes up says its address by itself (MLD, solicitations)
    ports = ["c" + each.name.rpartition("c")[2] for each in (here, other)]
    run("ip", "-n", zone.guests, "link", "set", "dev", ports[0], "alias", "hall nord")
    code = "import json; from gateway_agent import access_points; print(json.dumps(access_points.learned('br0')))"

    def both():
        seen = json.loads(_inside(zone.guests, sys.executable, "-c", code))
        return seen if {here.mac, other.mac} <= seen.keys() else None

    points = until(both, 20, "both devices")
    assert (points[here.mac], points[other.mac]) == ("ap-hall-nord", ports[1])
    assert json.loads(_inside(zone.gateway, sys.executable, "-c", code.replace("br0", "lan0"))) == {}


def _inside(namespace, *words):
    return run("ip", "netns", "exec", namespace, *words).stdout


def _data(rows):
    return [json.loads(row[0])["data"] for row in rows]


def test_a_refused_batch_changes_nothing(bare_zone):
    """One wrong change among many: the kernel takes none of them, and the refusal carries its errno."""
    database.migrate(bare_zone.settings)
    bare_zone.setup()
    good, now = Value(0x80000001, 2000.0), 1000.0
    with inside(bare_zone.gateway):
        table = Table()
    with contextlib.closing(table):
        mac, other = key_mac("02:50:00:00:00:01"), key_mac("02:50:00:00:00:02")
        with pytest.raises(NetlinkError) as refused:
            table.apply(Changes(added={"grant6": [(mac, good)]}, removed={"grant6": [other]}), now)
        assert refused.value.errno == 2
        assert table.elements(["grant6"], now) == {"grant6": {}}
        assert table.apply(Changes(added={"grant6": [(mac, good)]}), now, table.generation()) == 1
        with pytest.raises(NetlinkError):
            table.apply(Changes(replaced={"grant6": [(mac, good)]}), now, table.generation() - 1)
        (element,) = table.elements(["grant6"], now)["grant6"].values()
        assert element.mark == good.mark
        assert abs(element.expires_at - good.expires_at) < 2


def test_thousands_of_elements_go_in_and_come_back(bare_zone):
    """Batches beyond one datagram and one dump are whole."""
    bare_zone.setup()
    macs = [f"02:50:00:00:{n >> 8:02x}:{n & 255:02x}" for n in range(5000)]
    with inside(bare_zone.gateway):
        table = Table()
    with contextlib.closing(table):
        rows = [(key_mac(mac), Value(n + 1, 2000.0)) for n, mac in enumerate(macs)]
        table.apply(Changes(added={"grant6": rows}), 1000.0)
        found = table.elements(["grant6"], 1000.0)["grant6"]
        assert {key: value.mark for key, value in found.items()} == {key: value.mark for key, value in rows}
