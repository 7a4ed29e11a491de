# SPDX-License-Identifier: EUPL-1.2
"""What guests are told of the portal (RFC 8910, RFC 8908), as their own systems ask for it."""

import json
import os
import signal
import socket
import struct
import sys
import time

import pytest

from .conftest import inside, run, until
from .detecting import NAME, have, press, whole

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]
URL = f"https://{NAME}/api/captive"


@pytest.fixture(scope="module")
def zone(whole_zone):
    return whole_zone


def advertisement(guest, seconds=20.0):
    """Ask for a router advertisement as a host does, and return (lifetime, {option: bytes})."""
    with inside(guest.name):
        asker = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    with asker:
        asker.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0\0")
        asker.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        with inside(guest.name):
            scope = socket.if_nametoindex("eth0")
        asker.sendto(bytes([133, 0, 0, 0, 0, 0, 0, 0]), ("ff02::2", 0, 0, scope))
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            asker.settimeout(left)
            message = asker.recv(1500)
            if message[0] == 134:
                return int.from_bytes(message[6:8], "big"), dict(_options(message))
    raise AssertionError("no router advertisement came")


def _options(message):
    offset = 16
    while offset < len(message):
        length = message[offset + 1] * 8
        yield message[offset], message[offset : offset + length]
        offset += length


def portal_of(option):
    return option[2:].rstrip(b"\0").decode()


def dhcpv6(guest):
    """Ask by DHCPv6 for the portal and resolvers (Information-request, RFC 8415, 18.2.6); return {option: bytes}."""
    with inside(guest.name):
        asker = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        scope = socket.if_nametoindex("eth0")
        asker.bind(("::", 546, 0, scope))
    with asker:
        asker.settimeout(3)
        client = struct.pack("!HHHH6s", 1, 10, 3, 1, bytes.fromhex(guest.mac.replace(":", "")))
        wanted = struct.pack("!HHHH", 6, 4, 23, 103) + struct.pack("!HHH", 8, 2, 0)
        asker.sendto(b"\x0b" + os.urandom(3) + client + wanted, ("ff02::1:2", 547, 0, scope))
        answer = asker.recv(1500)
    assert answer[0] == 7
    found, offset = {}, 4
    while offset < len(answer):
        kind, length = struct.unpack_from("!HH", answer, offset)
        found[kind] = answer[offset + 4 : offset + 4 + length]
        offset += 4 + length
    return found


def dhcpv4(zone, guest):
    """Ask with udhcpc for option 114; return what it says ("" where it was not told)."""
    script = zone.folder / "tell.sh"
    script.write_text('#!/bin/sh\n[ "$1" = bound ] && echo "told:$opt114:"\nexit 0\n')
    script.chmod(0o755)
    words = ("-i", "eth0", "-n", "-q", "-f", "-t", "5", "-T", "1", "-O", "114", "-s", str(script))
    told = guest.run("udhcpc", *words).stdout.partition("told:")[2].partition(":\n")[0]
    return bytes.fromhex(told).decode() if told and not told.startswith("http") else told


@pytest.fixture
def guest(zone):
    device = zone.guest().join()
    yield device
    device.leave()


def test_the_portal_is_told_in_three_ways(zone, guest):
    """Router advertisement option 37, DHCPv6 option 103 and DHCPv4 option 114 name the same address."""
    lifetime, options = advertisement(guest)
    assert lifetime == 1800
    assert portal_of(options[37]) == URL
    assert options[25][8:24] == socket.inet_pton(socket.AF_INET6, zone.V6)
    told = dhcpv6(guest)
    assert told[103].decode() == URL
    assert told[23] == socket.inet_pton(socket.AF_INET6, zone.V6)
    assert dhcpv4(zone, guest) == URL


def test_whoever_asks_is_answered(guest):
    """A phone that joins needn't wait for the next interval, of 16 s at first and of minutes later."""
    advertisement(guest, 10.0)


@pytest.mark.skipif(not have("rdisc6"), reason="rdisc6 is not installed: apt install ndisc6")
def test_rdisc6_understands_the_advertisement(guest):
    """An independent parser sees a sound advertisement with our prefix and resolver."""
    said = guest.run("rdisc6", "-1", "-w", "3000", "eth0").stdout
    assert "fd77::/64" in said
    assert "fd77::1" in said
    assert "Stateful other conf.      :          Yes" in said


@pytest.mark.skipif(not have("dhclient"), reason="dhclient is not installed: apt install isc-dhcp-client")
def test_dhclient_receives_the_portal(zone, guest):
    """ISC's client, with the option defined as its manual says, writes it into its lease."""
    conf, leases = zone.folder / "dhclient.conf", zone.folder / "dhclient.leases"
    conf.write_text("option captive-portal code 114 = text;\nrequest subnet-mask, routers, captive-portal;\n")
    words = ("-1", "-v", "-cf", str(conf), "-lf", str(leases), "-pf", str(zone.folder / "dhclient.pid"))
    guest.run(have("dhclient"), *words, "-sf", "/bin/true", "eth0")
    guest.run(have("dhclient"), "-x", "-pf", str(zone.folder / "dhclient.pid"), check=False)
    assert f'option captive-portal "{URL}";' in leases.read_text()


@pytest.mark.skipif(not have("dhcpcd"), reason="dhcpcd is not installed: apt install dhcpcd-base")
def test_dhcpcd_receives_the_portal(zone, guest):
    """dhcpcd, told of the option by its own configuration, hands it to its hooks."""
    conf = zone.folder / "dhcpcd.conf"
    conf.write_text("define 114 string captive_portal\noption captive_portal\nnoarp\nnohook resolv.conf\n")
    zone.spawn("dhcpcd", guest.name, have("dhcpcd"), "-f", str(conf), "-4", "-B", "-T", "-c", "/usr/bin/env", "eth0")
    try:
        until(lambda: f"new_captive_portal={URL}" in zone.log("dhcpcd").replace("'", ""), 60, "the option")
    finally:
        zone.kill("dhcpcd")
        for pid in run("ip", "netns", "pids", guest.name).stdout.split():  # it has helpers of their own sessions
            os.kill(int(pid), signal.SIGKILL)


@pytest.mark.parametrize("family", ["4", "6"])
def test_the_api_answers_right_before_during_and_after_a_session(zone, guest, family):
    """RFC 8908 over HTTPS with a trusted certificate, per device, by either family."""
    other = zone.guest().join()
    head, before = zone.api(guest, family)
    assert "application/captive+json" in head
    assert "cache-control: private, no-store" in head
    assert before["captive"] is True
    assert before["user-portal-url"].startswith(f"https://{NAME}/")
    assert before["venue-info-url"].startswith(f"https://{NAME}/")
    assert "seconds-remaining" not in before
    assert zone.accept(guest)[0] == 302
    _, during = zone.api(guest, family)
    assert during["captive"] is False
    assert 14300 < during["seconds-remaining"] <= 14400
    assert during["can-extend-session"] in {True, False}
    assert zone.api(other, family)[1]["captive"] is True
    press(zone, guest, "logout")
    _, after = zone.api(guest, family)
    assert after["captive"] is True
    assert "seconds-remaining" not in after
    other.leave()


def test_the_portal_is_told_only_while_its_certificate_is_good(zone, guest):
    """Missing, or in its last week: withdrawn in all three ways, and the operator is told; then back; no restart."""
    pids = zone.pids()

    def told():
        return 37 in advertisement(guest)[1], 103 in dhcpv6(guest), bool(dhcpv4(zone, guest))

    for spoil in (zone.certificate.unlink, lambda: zone.renew(6)):
        spoil()
        until(lambda: told() == (False, False, False), 60, "the withdrawal")
        finding = _finding(zone)
        assert finding["state"] == "failed"
        assert finding["remedy"]
        assert zone.status()["announced"] == ""
        zone.renew(30)
        until(lambda: told() == (True, True, True), 60, "the return")
    assert _finding(zone)["state"] == "ok"
    assert zone.status()["announced"] == URL
    assert zone.pids() == pids
    assert zone.log("run").count("portal_api_withdrawn") == 2


def _finding(zone):

    words = (sys.executable, "-m", "edge_core.cli", "doctor", "--json", "--config", str(zone.config))
    found = json.loads(run("ip", "netns", "exec", zone.gateway, *words, check=False).stdout)
    return next(one for one in found if one["check"] == "certificate")


def test_a_renewed_certificate_is_served_without_a_restart(zone, guest):
    """The front takes up the new chain: another serial number, the same process."""

    def serial():
        show = "</dev/null 2>/dev/null | openssl x509 -noout -serial"
        return guest.run("sh", "-c", f"openssl s_client -connect {zone.V4}:443 {show}", check=False).stdout

    before, pid = until(serial, 60, "a certificate"), zone.pids()["front"]
    zone.renew(40)
    until(lambda: serial() not in {"", before}, 60, "the new certificate")
    assert zone.pids()["front"] == pid
    assert zone.api(guest)[1]["captive"] is True


@pytest.mark.skipif(not have("tcpdump"), reason="tcpdump is not installed")
def test_clearing_the_gateway_takes_the_route_back(namespaces_allowed):
    """`parvis gateway clear` says farewell: hosts drop the default route at once instead of after half an hour."""
    with whole() as zone:
        guest = zone.guest().join()
        until(lambda: "default" in guest.ip("-6", "route", "show").stdout, 60, "the route")
        zone.kill("run", 15)
        assert "default" in guest.ip("-6", "route", "show").stdout, "stopping alone must not take the route"

        words = (sys.executable, "-m", "gateway_agent", "clear", "--config", str(zone.config))
        run("ip", "netns", "exec", zone.gateway, *words)
        until(lambda: "default" not in guest.ip("-6", "route", "show").stdout, 60, "the route's end")
