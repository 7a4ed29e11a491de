# SPDX-License-Identifier: EUPL-1.2
"""Requests on the agent's socket, netlink messages, generated texts: the pure parts at the edges."""

import struct
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_core import netlink
from edge_core.settings import load
from gateway_agent import announce, conntrack, dnsmasq, neighbours, network, nft_ruleset
from gateway_agent.control import refusal
from gateway_agent.nft_elements import FOR_EVER, Value, key4, key_mac, key_mark, lines

CONFIG = """
[site]
id = "essai"
name = "Parc d'essai"
[device]
id = "passerelle"
state_dir = "{folder}"
[lan]
interface = "lan0"
ipv4 = "10.77.0.1/20"
{ipv6}
dhcp_range = "10.77.0.10-10.77.3.250"
[wan]
interface = "wan0"
dns = ["192.0.2.1", "2001:db8::1"]
[portal]
hostname = "portail.example.net"
{portal}
"""


@pytest.fixture
def settings(tmp_path):
    """Return a function that makes settings, with or without IPv6 and a certificate."""

    def make(ipv6='ipv6 = "fd77::1/64"', portal=""):
        path = tmp_path / "gateway.toml"
        path.write_text(CONFIG.format(folder=tmp_path, ipv6=ipv6, portal=portal))
        return load(path, {})

    return make


@given(st.binary(max_size=200))
def test_no_line_makes_the_socket_fail(data):
    """Any bytes are an operation that is known, or a refusal with a reason."""
    operation, reason = refusal(data, {"nudge": None})
    assert bool(reason) != (operation == "nudge")


def test_a_deep_line_is_refused():
    """JSON that nests without end is no way to stop the agent."""
    assert refusal(b"[" * 4000, {"nudge": None}) == ("", "not JSON")


def test_a_well_formed_request_is_its_operation():
    """The one shape that is accepted."""
    assert refusal(b'{"op": "nudge"}', {"nudge": None}) == ("nudge", "")


@given(st.lists(st.tuples(st.integers(1, 0x3FFF), st.binary(max_size=40))))
def test_attributes_are_read_as_they_were_written(pairs):
    """Padding and order survive the way to the kernel's format and back."""
    assert list(netlink.each(b"".join(netlink.attribute(*pair) for pair in pairs))) == pairs


@given(st.binary(max_size=300))
def test_malformed_netlink_raises_nothing(data):
    """Cut or false lengths end the reading; no loop, no exception."""
    list(netlink.each(data))
    list(netlink.messages(data))
    neighbours.read(data)
    conntrack.read(data)


def test_a_conntrack_message_is_read():
    """Mark, id and both directions' counts come out as they went in."""
    counts = [netlink.nested(k, *(netlink.attribute(i + 1, struct.pack("!Q", v)) for i, v in enumerate(pair)))
              for k, pair in ((9, (3, 300)), (10, (4, 400)))]  # fmt: skip
    body = bytes(4) + netlink.attribute(8, struct.pack("!I", 0x80000007)) + b"".join(counts)
    flow = conntrack.read(body + netlink.attribute(12, struct.pack("!I", 99)))
    assert flow == (99, 0x80000007, 300, 3, 400, 4)
    assert flow.grant == 7


COUNTS = st.integers(0, 2**40)


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), COUNTS, COUNTS, st.booleans()), min_size=1, max_size=20))
def test_many_conntrack_messages_are_read_as_each_alone(rows):
    """Reading by the layout of the first gives what reading one by one gives, whatever order the kernel has."""
    bodies = []
    for number, (mark, packets, octets, swapped) in enumerate(rows):
        counts = [
            netlink.nested(
                kind,
                netlink.attribute(1, struct.pack("!Q", packets + kind)),
                netlink.attribute(2, struct.pack("!Q", octets)),
            )
            for kind in (9, 10)
        ]
        names = [netlink.attribute(8, struct.pack("!I", mark)), netlink.attribute(12, struct.pack("!I", number + 1))]
        parts = [*counts, *names] if swapped else [*names, *counts]
        bodies.append(bytes([2, 0, 0, 0]) + netlink.nested(1, bytes(40)) + b"".join(parts))
    alone = [flow for body in bodies if (flow := conntrack.read(body)).grant]
    assert list(conntrack.read_all(bodies)) == alone


def test_a_multicast_or_missing_mac_is_nobody():
    """Entries of groups and incomplete entries are no devices."""
    head = struct.pack("=BBHiHBB", 2, 0, 0, 3, 0x02, 0, 0) + netlink.attribute(1, bytes([10, 77, 0, 10]))
    assert neighbours.read(head + netlink.attribute(2, bytes.fromhex("025000000001"))).here
    assert not neighbours.read(head + netlink.attribute(2, bytes.fromhex("01005e000001"))).here
    assert not neighbours.read(head).here


def test_elements_are_written_as_nft_reads_them():
    """The lines of the loading transaction carry key, timeout and mark."""
    value, mac, other = Value(0x80000007, 1060.0), key_mac("02:50:00:00:00:01"), key_mac("02:50:00:00:00:02")
    elements = {
        "grant4": {key4(mac, IPv4Address("10.77.0.10").packed): value},
        "grant6": {mac: value, other: value},
        "live": {key_mark(value.mark): value},
        "shape": {key_mark(value.mark): Value(0x50410017, 1060.0)},
        "blocked": {other: Value(0, FOR_EVER)},
    }
    assert list(lines(elements, 1000.0)) == [
        "add element inet parvis grant4 { 02:50:00:00:00:01 . 10.77.0.10 timeout 60000ms : 0x80000007 }",
        (
            "add element inet parvis grant6 { 02:50:00:00:00:01 timeout 60000ms : 0x80000007, "
            "02:50:00:00:00:02 timeout 60000ms : 0x80000007 }"
        ),
        "add element inet parvis live { 0x80000007 timeout 60000ms }",
        "add element inet parvis shape { 0x80000007 timeout 60000ms : 5041:17 }",
        "add element inet parvis blocked { 02:50:00:00:00:02 }",
    ]


def test_the_version_follows_the_rules_alone(settings):
    """The same settings give the same version, with and without elements; another port another one."""
    first = settings()
    assert nft_ruleset.version(first) == nft_ruleset.version(first)
    assert nft_ruleset.version(first) in nft_ruleset.render(first, ["add element x"])
    assert nft_ruleset.version(first) != nft_ruleset.version(settings(portal="port = 8090"))


def test_without_ipv6_there_is_no_rule_for_it(settings):
    """No address of ours, no opening: guests' IPv6 then meets the refusal like everything else."""
    text = nft_ruleset.render(settings(ipv6=""))
    assert "map @grant6" not in text
    assert "goto refuse" in text


def test_the_ruleset_names_no_guest(settings):
    """The rules are of constant size: everything about guests is in sets."""
    text = nft_ruleset.render(settings())
    assert len(text.splitlines()) < 160
    assert "02:" not in text


def test_option_114_comes_from_a_file_of_its_own(settings):
    """The portal's address comes and goes with its certificate: dnsmasq reads it again at SIGHUP, not at a start."""
    text = dnsmasq.render(settings(), lone_user=False)
    assert "dhcp-option=114" not in text
    assert f"dhcp-optsfile={announce.options_file(settings())}" in text


def test_dnsmasq_is_told_what_the_settings_say(settings):
    """Range, lease time, upstream servers, the portal's name and router advertisements are those of the settings."""
    lines = dnsmasq.render(settings(), lone_user=True).splitlines()
    for expected in (
        "interface=lan0",
        "user=root",
        "server=192.0.2.1",
        "server=2001:db8::1",
        "no-ping",
        "dhcp-authoritative",
        "dhcp-lease-max=1009",
        "dhcp-range=10.77.0.10,10.77.3.250,255.255.240.0,3600s",
        "host-record=portail.example.net,10.77.0.1,fd77::1",
    ):
        assert expected in lines
    assert "dhcp-range=fd77::,static,64,3600s" not in dnsmasq.render(settings(ipv6=""), lone_user=True).splitlines()


def test_forwarding_comes_last(settings):
    """All other kernel settings are right before the first packet is forwarded."""
    assert [entry.path for entry in network.sysctls(settings())[-2:]] == [
        "net/ipv6/conf/all/forwarding",
        "net/ipv4/ip_forward",
    ]
