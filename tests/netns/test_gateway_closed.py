# SPDX-License-Identifier: EUPL-1.2
"""What a guest without a grant meets."""

import socket

import pytest

from .conftest import inside, run

pytestmark = pytest.mark.netns


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1/x", "http://[2001:db8:1::1]/x", "http://10.77.0.1/", "http://[fd77::1]/"]
)
def test_http_is_redirected_to_the_portal(guest, url):
    """Port 80 of any address, of either family, answers with the portal's 302."""
    assert guest.get(url)[:2] == (302, "http://portail.example.net/")


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8:1::1"])
@pytest.mark.parametrize("port", [443, 7777])
def test_other_ports_are_reset_at_once(guest, address, port):
    """HTTPS and the rest are refused instead of timing out."""
    with pytest.raises(ConnectionRefusedError):
        guest.connect(address, port)


@pytest.mark.parametrize("server", ["10.77.0.1", "fd77::1", "192.0.2.53", "2001:db8:1::53"])
def test_names_are_answered_by_the_gateway_whoever_is_asked(zone, guest, server):
    """DNS works before the grant, and a guest's own choice of server is answered by the gateway."""
    assert _ask(zone, guest, server) == socket.inet_aton("192.0.2.1")


def test_the_portals_name_leads_to_the_gateway(zone, guest):
    """The portal's host name resolves to the gateway's address on the guests' side."""
    assert _ask(zone, guest, "10.77.0.1", "portail.example.net") == socket.inet_aton("10.77.0.1")


def test_dns_is_limited_before_the_grant(zone, guest):
    """A guest without a grant gets a burst of answers and then a trickle: DNS is no tunnel."""
    answers = _flood(guest, 400)
    assert 40 <= answers <= 120


def test_the_gateways_other_services_are_out_of_reach(zone, guest):
    """The broker and any other port of the gateway refuse guests, whichever of its addresses they try."""
    with inside(zone.gateway):
        listener = socket.create_server(("0.0.0.0", zone.settings.broker.port))
    with listener:
        for address in ("10.77.0.1", "192.0.2.2"):
            with pytest.raises(ConnectionRefusedError):
                guest.connect(address, zone.settings.broker.port)


def test_the_internet_does_not_reach_the_portal(zone):
    """A host on the WAN side gets no answer from portal or resolver, even by the guests' address."""
    run("ip", "-n", zone.internet, "route", "replace", "10.77.0.0/20", "via", "192.0.2.2")
    for address, port in (("10.77.0.1", 8080), ("192.0.2.2", 8080), ("192.0.2.2", 53)):
        with inside(zone.internet), pytest.raises(TimeoutError):
            socket.create_connection((address, port), 0.5)


def test_a_guest_is_not_reached_through_the_gateway_from_outside(zone, guest):
    """Nothing from the WAN side is forwarded to a guest that did not ask for it."""
    run("ip", "-n", zone.internet, "route", "replace", "10.77.0.0/20", "via", "192.0.2.2")
    with inside(guest.name):
        listener = socket.create_server(("0.0.0.0", 9000))
    with listener, inside(zone.internet), pytest.raises(TimeoutError):
        socket.create_connection((guest.address, 9000), 0.5)


def _ask(zone, guest, server, name="exemple.test"):
    """Ask for an A record and return the address of the last answer."""
    with (
        inside(guest.name),
        socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as s,
    ):
        s.settimeout(3)
        s.connect((server, 53))
        s.send(_query(name))
        return s.recv(512)[-4:]


def _query(name):
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + labels + b"\0\0\x01\0\x01"


def _flood(guest, count):
    with inside(guest.name), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("10.77.0.1", 53))
        for number in range(count):
            s.send(_query(f"n{number}.test"))
        s.settimeout(0.5)
        answers = 0
        while True:
            try:
                s.recv(512)
            except TimeoutError:
                return answers
            answers += 1
