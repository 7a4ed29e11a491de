# SPDX-License-Identifier: EUPL-1.2
"""Two ways to the Internet: what is told of them, and that guests leave by the one that is open."""

import json
import sys
import time

import pytest

from edge_core import uplink
from gateway_agent import failover

from .conftest import BODY, inside, run, serve, until

pytestmark = pytest.mark.netns
FAR = "203.0.113.1"
EVENTS = "SELECT json_extract(body, '$.data') FROM outbox WHERE type = 'eu.parvis.health.uplink.v1' ORDER BY seq"


def plug_in(zone):
    """Make the second uplink, as a modem that was plugged in: a link, an address and a default route of lesser rank."""
    run("ip", "-n", zone.internet, "link", "add", "up1", "type", "veth", "peer", "name", "wan1", "netns", zone.gateway)
    for namespace, device, tail in ((zone.internet, "up1", "1"), (zone.gateway, "wan1", "2")):
        run("ip", "-n", namespace, "link", "set", device, "up")
        run("ip", "-n", namespace, "address", "add", f"198.51.100.{tail}/24", "dev", device)
    run("ip", "-n", zone.gateway, "route", "add", "default", "via", "198.51.100.1", "metric", "600")


def way_out(zone):
    return run("ip", "-n", zone.gateway, "route", "get", FAR).stdout.split(" dev ")[1].split()[0]


def flows(zone):
    marked = ("-L", "-p", "tcp", "--dport", "80", "-m", "0x80000000/0x80000000")
    return run("ip", "netns", "exec", zone.gateway, "conntrack", *marked).stdout


@pytest.fixture
def two_ways(bare_zone):
    zone = bare_zone
    run("ip", "-n", zone.internet, "address", "add", f"{FAR}/32", "dev", "lo")
    extra = f'[uplink]\nprobes = ["tcp://{FAR}:80"]\ninterval = 1\npatience = 1\n'
    zone.write_config(extra)
    text = zone.config.read_text().replace('interface = "wan0"', 'interface = "wan0"\nsecond = "wan1"')
    zone.config.write_text(text)
    zone.start()
    zone.servers.append(serve(zone.internet, FAR, 80))
    return zone


def test_a_dead_uplink_is_left_for_one_plugged_in_later_and_taken_again(two_ways):
    """Guests reach the Internet again by a second way, keep their session, and come back when it heals."""
    zone = two_ways
    guest = zone.guest().join()
    zone.grant(guest)
    told = until(lambda: uplink.read(zone.settings.run_dir), 60, "the first word of the uplink")
    assert told.up
    assert way_out(zone) == "wan0"
    assert guest.get(f"http://{FAR}/")[::2] == (200, len(BODY))
    assert f"src={FAR} dst=192.0.2.2" in flows(zone)
    plug_in(zone)
    nft = ("ip", "netns", "exec", zone.internet, "nft")
    run(*nft, "add table inet cut; add chain inet cut in { type filter hook input priority 0; }")
    began = time.monotonic()
    run(*nft, "add rule inet cut in iifname up0 drop")
    until(lambda: way_out(zone) == "wan1", 20, "the second way")
    assert guest.get(f"http://{FAR}/")[::2] == (200, len(BODY))
    print(f"a guest's packets flow again after {time.monotonic() - began:.1f} s")
    assert uplink.read(zone.settings.run_dir).up
    until(lambda: f"src={FAR} dst=192.0.2.2" not in flows(zone), 20, "the end of the dead uplink's flows")
    stays_on_the_second_way_across_a_restart(zone)
    run(*nft, "flush chain inet cut in")
    until(lambda: way_out(zone) == "wan0", 20, "the first way again")
    assert guest.get(f"http://{FAR}/")[::2] == (200, len(BODY))
    until(lambda: json.loads(zone.rows(EVENTS)[-1][0])["way"] == "first", 20, "the event of it")
    ways = [(data["up"], data["way"]) for data in (json.loads(row[0]) for row in zone.rows(EVENTS))]
    assert ways[0] == (True, "first")
    assert ways[-2:] == [(True, "second"), (True, "first")]
    assert zone.rows("SELECT count(*) FROM grants WHERE ended_at IS NULL") == [(1,)]


def stays_on_the_second_way_across_a_restart(zone):
    """An agent that starts anew goes on by the way that is open: it doesn't try the dead one first."""
    zone.kill("agent")
    rounds = len(zone.rows(EVENTS))
    zone.spawn("routes", zone.gateway, "ip", "monitor", "route")
    # Another route each time: the kernel tells nothing of one that is put in the place of its like.
    marks = (("ip", "-n", zone.gateway, "route", "add", f"198.18.{n}.0/24", "dev", "wan0") for n in range(250))
    until(lambda: run(*next(marks)) and "198.18." in zone.log("routes"), 20, "the first route told")
    zone.start_agent()
    until(lambda: len(zone.rows(EVENTS)) > rounds, 20, "the first word of the new agent")
    assert way_out(zone) == "wan1"
    assert "default" not in zone.log("routes")
    zone.kill("routes")


def test_clear_takes_back_the_way_by_the_second_uplink(bare_zone):
    """Routes are as they were before Parvis, also where it was taken back while the first uplink was dead."""
    plug_in(bare_zone)
    before = run("ip", "-n", bare_zone.gateway, "route").stdout
    bare_zone.setup()
    with inside(bare_zone.gateway):
        assert failover.lead("wan1")
    assert way_out(bare_zone) == "wan1"
    clear = ("gateway_agent", "clear", "--config", str(bare_zone.config))
    run("ip", "netns", "exec", bare_zone.gateway, sys.executable, "-m", *clear)
    assert run("ip", "-n", bare_zone.gateway, "route").stdout == before


def test_with_no_way_left_it_is_told(two_ways):
    """Both shut: the file that pages read says so, and the route stays as it was."""
    zone = two_ways
    until(lambda: uplink.read(zone.settings.run_dir), 60, "the first word of the uplink")
    cut = "add table inet cut; add chain inet cut in { type filter hook input priority 0; policy drop; }"
    run("ip", "netns", "exec", zone.internet, "nft", cut)
    until(lambda: not uplink.read(zone.settings.run_dir).up, 20, "the word that it is shut")
    assert way_out(zone) == "wan0"
    until(lambda: not json.loads(zone.rows(EVENTS)[-1][0])["up"], 20, "the event of it")
    assert json.loads(zone.rows(EVENTS)[-1][0]) == {"up": False, "way": "first", "milliseconds": None}
