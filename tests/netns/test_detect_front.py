# SPDX-License-Identifier: EUPL-1.2
"""Whatever a guest without a grant sends to port 80 of anybody is led to the portal; HTTPS is refused at once."""

import contextlib
import errno
import json
import os
import signal
import socket
import time

import pytest

from edge_core import control

from .conftest import inside, until
from .detecting import NAME, everything, fetch, press, raw

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]
SITE = b"Host: site.example\r\n"


@pytest.fixture(scope="module")
def zone(whole_zone):
    return whole_zone


@pytest.fixture(scope="module")
def guest(zone):
    return zone.guest().join()


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8:1::1"])
@pytest.mark.parametrize(
    "data",
    [
        *(method + b" /a?b=c HTTP/1.1\r\n" + SITE + b"\r\n" for method in (b"GET", b"HEAD", b"PUT", b"OPTIONS")),
        b"POST /a HTTP/1.1\r\n" + SITE + b"Content-Length: 70000\r\n\r\n" + b"x" * 70000,
        b"CONNECT site.example:443 HTTP/1.1\r\n" + SITE + b"\r\n",
        b"GET http://site.example/a HTTP/1.1\r\n" + SITE + b"\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n" + SITE + b"\r\n",
        b"GET /\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"PROPFIND /\xff\xfe HTTP/1.1\r\n" + SITE + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0" * 40,
        b"GET / HTTP/1.1\r\n" + b"a" * 20000,
    ],
    ids=lambda data: repr(data[:20]),
)  # fmt: skip
def test_anything_is_led_to_the_portal(guest, address, data):
    """302 to an absolute address of the portal, small, never stored; a HEAD's answer has no body."""
    with inside(guest.name):
        answer = raw(address, 80, data)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 302 "), answer[:200]
    assert f"\r\nLocation: http://{NAME}/".encode() in head
    assert b"\r\nCache-Control: no-store" in head
    assert len(body) < 1000
    assert bool(body) is not data.startswith(b"HEAD")


def test_a_request_that_says_nothing_is_let_go(zone, guest):
    """Silence and half a request end after some seconds, and are counted."""
    with inside(guest.name):
        silent, half = (socket.create_connection(("192.0.2.1", 80), 60) for _ in range(2))
    half.sendall(b"GET / HT")
    with silent, half:
        start = time.monotonic()
        for connection in (silent, half):
            assert everything(connection) == b""
        assert time.monotonic() - start > 5
    assert zone.status()["refused"]["portal_too_slow"] >= 2


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8:1::1"])
def test_https_is_refused_at_once_and_never_answered(guest, address):
    """TCP 443 is reset, UDP 443 (HTTP/3) is refused by ICMP, neither times out."""
    with pytest.raises(ConnectionRefusedError):
        guest.connect(address, 443)
    with inside(guest.name):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        quic = socket.socket(family, socket.SOCK_DGRAM)
    with quic:
        quic.settimeout(60)
        quic.connect((address, 443))
        quic.send(b"\xc0" + b"\0" * 1199)
        with pytest.raises(OSError, match=r"route|denied|refused") as refused:
            quic.recv(100)
    assert refused.value.errno in {errno.EHOSTUNREACH, errno.EACCES, errno.ECONNREFUSED}


def test_the_portal_itself_is_reached_through_the_front(zone, guest):
    """Pages, forms and answers of the portal come whole, for the device that asks and no other that is claimed."""
    status, _, page = fetch(zone, guest, "/fr/")
    assert status == 200
    assert page.rstrip().endswith("</html>")
    claims = "X-Parvis-Peer: 10.77.9.9\r\nX-Forwarded-For: 10.77.9.9\r\n"
    forged = f"GET /api/captive HTTP/1.1\r\nHost: {NAME}\r\n{claims}\r\n"
    other = zone.guest().join()
    zone.accept(other)
    with inside(guest.name):
        answer = raw(zone.V4, 80, forged.replace("10.77.9.9", other.address).encode())
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["captive"] is True
    other.leave()


def test_the_way_online_and_back(zone):
    """Accept: the same address answers itself; log out: it leads to the portal again, and open flows are dead."""
    guest = zone.guest().join()
    asked = b"GET /hotspot-detect.html HTTP/1.1\r\nHost: captive.apple.com\r\n\r\n"
    with inside(guest.name):
        assert b" 302 " in raw(zone.WEB4, 80, asked)
        zone.accept(guest)
        assert b"Success" in raw(zone.WEB4, 80, asked)
        flow = socket.create_connection((zone.WEB4, 80), 3)
        press(zone, guest, "logout")
        flow.settimeout(1.0)
        with flow, contextlib.suppress(ConnectionResetError), pytest.raises(TimeoutError):
            flow.sendall(asked)
            assert flow.recv(100) == b"", "an ended session's flow still passes"
            raise TimeoutError
        assert b" 302 " in raw(zone.WEB4, 80, asked)
    guest.leave()


def test_a_killed_portal_is_waited_for(zone, guest):
    """A request that comes while the portal starts again is answered; a new one follows."""
    old = zone.pids()["portal"]
    os.kill(old, signal.SIGKILL)
    assert fetch(zone, guest, "/fr/")[0] == 200
    until(lambda: zone.pids().get("portal", old) != old, 20, "a new portal")
    assert fetch(zone, guest, "/fr/")[0] == 200


def test_the_fronts_counts_are_told(zone):
    """The front answers on its socket in one line; anything sent there changes nothing."""
    for question in ({"op": "status"}, {"op": "no such"}, {}):
        answer = control.ask(zone.settings.front_socket, question)
        assert answer["ok"] is True
        assert answer["redirected"] > 0
