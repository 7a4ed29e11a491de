# SPDX-License-Identifier: EUPL-1.2
"""What a grant opens, what is counted, and how it ends."""

import contextlib
import json
import os
import socket
import time

import pytest

from edge_core import coarse, control
from gateway_agent.conntrack import Conntrack

from .conftest import BODY, inside, run, until

pytestmark = pytest.mark.netns
SESSION_ENDED = "SELECT json_extract(body, '$.data') FROM outbox WHERE type = 'eu.parvis.session.ended.v1'"


def ended(zone, grant):
    """Return the session's end as the outbox tells it, once it does."""

    def look():
        told = [json.loads(row[0]) for row in zone.rows(SESSION_ENDED)]
        return [data for data in told if data["session"] == coarse.identifier(grant.session)]

    found = until(look, 60, "the session's end")
    assert len(found) == 1
    return found[0]


def echo(connection, data=b"x" * 1000):
    """Send and receive on an open connection."""
    connection.sendall(data)
    got = b""
    while len(got) < len(data):
        part = connection.recv(65536)
        assert part, "the connection was closed"
        got += part


def dies_within(connection, seconds):
    """Tell whether a flow that keeps sending is reset or silent after `seconds`."""
    connection.settimeout(seconds)
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            echo(connection, b"y" * 100)
            time.sleep(0.01)
    except (OSError, AssertionError):
        return True
    return False


@pytest.mark.parametrize("host", ["192.0.2.1", "[2001:db8:1::1]"])
def test_the_internet_answers_once_the_nudge_returns(zone, guest, host):
    """After accept and nudge the very next request passes, on both families, HTTP and other ports."""
    zone.grant(guest)
    assert guest.get(f"http://{host}/")[::2] == (200, len(BODY))
    assert guest.get(f"http://{host}:443/")[::2] == (200, len(BODY))


def test_usage_is_right_to_the_packet(zone, guest):
    """A session's usage is what the guest's own kernel has counted, both families added up."""
    grant = zone.grant(guest)
    before = wire(guest)
    for host in ("192.0.2.1", "[2001:db8:1::1]"):
        for _ in range(3):
            assert guest.get(f"http://{host}/")[0] == 200
    until(lambda: settled(guest), 60, "silence")
    after = wire(guest)
    zone.end(guest)
    told = ended(zone, grant)
    assert told["reason"] == "operator"
    assert told["up_packets"] == after[0] - before[0]
    assert told["down_packets"] == after[1] - before[1]
    assert told["down_bytes"] > 6 * len(BODY)
    assert told["down_bytes"] == after[3] - before[3]
    assert told["up_bytes"] == after[2] - before[2]


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8:1::1"])
def test_an_established_flow_dies_with_its_session(zone, guest, address):
    """Ending a session kills its live flows of both families within a second, and new ones are refused."""
    grant = zone.grant(guest)
    with contextlib.closing(guest.connect(address, 7777)) as connection:
        echo(connection)
        zone.end(guest)
        # Not by the sampled check, which would need some packets: the flow is out of the kernel's table.
        with inside(zone.gateway), contextlib.closing(Conntrack()) as conntrack:
            assert conntrack.flows_of(grant.id) == []
        assert dies_within(connection, 1.0)
    with pytest.raises(ConnectionRefusedError):
        guest.connect(address, 7777)
    assert ended(zone, grant)["up_bytes"] > 1000


def test_a_session_runs_out_by_itself(zone, guest):
    """At its end a session stops without anybody asking, is told as expired, and the portal is back."""
    grant = zone.grant(guest, seconds=2)
    with contextlib.closing(guest.connect("192.0.2.1", 7777)) as connection:
        echo(connection)
        assert dies_within(connection, 4.0)
    assert ended(zone, grant)["reason"] == "expired"
    assert guest.get("http://192.0.2.1/")[0] == 302


def test_a_new_lease_of_a_guest_with_a_grant_is_let_through(zone, guest):
    """The grant follows the device to another leased address within a second or so."""
    zone.grant(guest)
    other = "10.77.3.200"
    script = str(zone.folder / "lease.sh")
    guest.run("udhcpc", "-i", "eth0", "-n", "-q", "-f", "-r", other, "-x", "0x3d:00aabbcc", "-s", script)
    until(lambda: guest.get("http://192.0.2.1/")[0] == 200, 60, "the Internet on the new address")


def test_a_borrowed_address_does_not_pass(zone, guest):
    """A guest without a grant that takes the address of one with a grant stays out, on both families."""
    rich, poor = guest, zone.guest().join()
    zone.grant(rich)
    address4 = rich.address
    run("ip", "-n", rich.name, "link", "set", "eth0", "down")
    poor.ip("-4", "address", "flush", "dev", "eth0")
    poor.ip("address", "add", f"{address4}/20", "dev", "eth0")
    poor.ip("route", "replace", "default", "via", "10.77.0.1")
    with pytest.raises((TimeoutError, ConnectionRefusedError)):
        poor.connect("192.0.2.1", 443, 1.0)
    with pytest.raises(ConnectionRefusedError):
        poor.connect("2001:db8:1::1", 443, 1.0)


def test_a_grant_does_not_cover_made_up_addresses(zone, guest):
    """A guest with a grant that sends from an address it never leased is refused."""
    zone.grant(guest)
    guest.ip("address", "add", "10.77.9.9/20", "dev", "eth0")
    with inside(guest.name), pytest.raises(ConnectionRefusedError):
        socket.create_connection(("192.0.2.1", 443), 2, ("10.77.9.9", 0))


def test_a_grant_is_no_way_to_other_guests_or_the_gateway(zone, guest):
    """With a grant, another guest's address routed through the gateway is refused, and the broker still is."""
    zone.grant(guest)
    other = zone.guest().join()
    guest.ip("route", "add", other.address, "via", "10.77.0.1")
    with inside(other.name):
        listener = socket.create_server(("0.0.0.0", 9000))
    with listener, pytest.raises(ConnectionRefusedError):
        guest.connect(other.address, 9000, 2)
    with pytest.raises(ConnectionRefusedError):
        guest.connect("10.77.0.1", zone.settings.broker.port)


def test_status_tells_guests_and_sessions(zone, guest):
    """The agent's answer holds who is here and what each session has used, as the command line shows it."""
    zone.grant(guest)
    guest.get("http://192.0.2.1/")

    def mine():
        status = control.ask(zone.settings.agent_socket, {"op": "status"})
        return [row for row in status["sessions"] if row["mac"] == guest.mac and row["down_bytes"] > len(BODY)]

    row = until(mine, 60, "the counted session")[0]
    assert row["address"] == guest.address
    assert 590 <= row["remaining"] <= 600
    status = control.ask(zone.settings.agent_socket, {"op": "status"})
    assert status["guests"] >= 1 <= status["online"] <= status["grants"]
    counts, page = (control.ask(zone.settings.agent_socket, {"op": op}) for op in ("counts", "page"))
    assert (counts["sessions"], counts["grants"]) == ([], status["grants"])
    assert counts["traffic"][1] >= row["down_bytes"]
    assert guest.mac in {each["mac"] for each in page["sessions"]}


@pytest.mark.parametrize(
    "line", [b"nonsense\n", b"[]\n", b'{"op": "open"}\n', b'{"op": "nudge", "x": 1}\n', b"x" * 9000]
)
def test_a_malformed_request_is_refused_and_logged(zone, line):
    """The agent's socket answers nonsense with a reason, logs it, and goes on."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(3)
        peer.connect(str(zone.settings.agent_socket))
        peer.sendall(line)
        answer = json.loads(peer.makefile("rb").readline())
    assert answer["ok"] is False
    assert answer["reason"]
    assert "request_refused" in zone.log("agent")
    assert control.nudge(zone.settings.agent_socket)


def test_no_address_or_mac_is_logged(zone, guest):
    """Nothing that the agent and dnsmasq wrote during these tests tells who was here."""
    for name in ("agent", "dnsmasq"):
        assert guest.mac not in zone.log(name)
        assert guest.address not in zone.log(name)


def wire(guest):
    """Return packets and IP bytes up and down that the guest's own nftables counted for the Internet's addresses."""
    rules = """table inet own {
 counter up { }
 counter down { }
 chain o { type filter hook output priority 0;
  ip daddr 192.0.2.1 counter name up
  ip6 daddr 2001:db8:1::1 counter name up
 }
 chain i { type filter hook input priority 0;
  ip saddr 192.0.2.1 counter name down
  ip6 saddr 2001:db8:1::1 counter name down
 }
}
"""
    if guest.run("nft", "list", "table", "inet", "own", check=False).returncode:
        path = guest.zone.folder / f"own{os.getpid()}.nft"
        path.write_text(rules)
        guest.run("nft", "-f", str(path))
    listed = json.loads(guest.run("nft", "-j", "list", "counters").stdout)["nftables"]
    found = {row["counter"]["name"]: row["counter"] for row in listed if "counter" in row}
    return (*(found[n]["packets"] for n in ("up", "down")), *(found[n]["bytes"] for n in ("up", "down")))


def settled(guest):
    first = wire(guest)
    time.sleep(0.3)
    return first == wire(guest)


def test_a_device_that_sends_nothing_is_over_and_one_that_does_is_not(bare_zone):
    """[access] idle ends the silent session, told as "idle"; whoever exchanges something goes on."""
    bare_zone.write_config("[access]\nidle = 10\n")
    bare_zone.start()
    silent, busy = (bare_zone.guest().join() for _ in range(2))
    grant = bare_zone.grant(silent)
    other = bare_zone.grant(busy)
    silent.connect(bare_zone.WEB4, 80).close()

    def over():
        busy.connect(bare_zone.WEB4, 80).close()
        return bare_zone.rows("SELECT end_reason FROM grants WHERE id = ? AND ended_at IS NOT NULL", grant.id)

    assert until(over, 60, "the end of the silent session") == [("idle",)]
    assert bare_zone.rows("SELECT ended_at FROM grants WHERE id = ?", other.id) == [(None,)]
    assert busy.get(f"http://{bare_zone.WEB4}/")[0] == 200
