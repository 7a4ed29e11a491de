# SPDX-License-Identifier: EUPL-1.2
"""What a simulated phone says and understands on the wire."""

import struct
from ipaddress import IPv4Address

from lab.phone import dhcp, real_dhcp, robot

_MAC = bytes.fromhex("020000000001")
_HEADERS = 14 + 20 + 8


def _answer(kind: int, transaction: int, address: str, options: dict[int, bytes]) -> bytes:
    """A server's frame, made from a client's: other direction, other kind."""
    frame = bytearray(dhcp.frame(_MAC, transaction, kind, options))
    frame[_HEADERS] = 2
    frame[_HEADERS + 16 : _HEADERS + 20] = IPv4Address(address).packed
    frame[36:38] = b"\x00\x44"
    return bytes(frame)


def test_a_frame_carries_a_valid_ip_checksum_and_asks_for_the_portal():
    """A strict server takes it, and tells the API's address (option 114)."""
    frame = dhcp.frame(_MAC, 7, 1, {})
    assert sum(struct.unpack("!10H", frame[14:34])) % 0xFFFF == 0
    assert bytes((55, 5)) in frame
    assert 114 in frame[frame.index(bytes((55, 5))) :][:7]


def test_an_answer_is_read_and_another_phones_is_not():
    """Each phone of a crowd takes its own offer only."""
    frame = _answer(2, 7, "10.77.0.50", {3: IPv4Address("10.77.0.1").packed})
    assert dhcp.parse(frame, 7) == (
        2,
        IPv4Address("10.77.0.50"),
        {53: b"\x02", 55: frame[frame.index(b"\x37\x05") + 2 :][:5], 3: b"\x0a\x4d\x00\x01"},
    )
    assert dhcp.parse(frame, 8) is None
    assert dhcp.parse(frame[:100], 7) is None


def test_what_udhcpc_and_dhclient_tell_is_one_lease():
    """Either real client may be installed."""
    url = "https://wifi.parc.example/api/captive"
    first = {
        "ip": "10.77.0.50",
        "router": "10.77.0.1",
        "dns": "10.77.0.1",
        "lease": "600",
        "opt114": url.encode().hex(),
    }
    second = {
        "new_ip_address": "10.77.0.50", "new_routers": "10.77.0.1", "new_domain_name_servers": "10.77.0.1 10.77.0.2",
        "new_dhcp_lease_time": "600", "new_captive_portal": f'"{url}"',
    }  # fmt: skip
    assert real_dhcp.read("p", first) == real_dhcp.read("p", second)
    assert real_dhcp.read("p", first).portal == url


def test_a_dns_answer_with_compressed_names_is_read():
    """dnsmasq compresses; the address is found behind an alias too."""
    asked = robot.question("www.page.example", 1)
    alias = b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 60, 2) + b"\xc0\x0c"
    address = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + IPv4Address("203.0.113.80").packed
    answer = asked[:6] + struct.pack("!H", 2) + asked[8:] + alias + address
    assert robot.addresses(answer) == [IPv4Address("203.0.113.80")]


def test_a_form_is_sent_as_a_browser_would_with_its_boxes_ticked():
    """Hidden values travel along, plain buttons don't."""
    html = (
        '<form action="/search"><input name="q"></form>'
        '<form method="POST" action="/fr/accept"><input type="hidden" name="token" value="t">'
        '<input type="checkbox" name="terms"><button type="button" name="no" value="1">…</button>'
        "<button>Go</button></form>"
    )
    search, accept = robot.forms(html)
    assert (search.method, accept.method, accept.action) == ("get", "post", "/fr/accept")
    assert accept.fields == {"token": "t", "terms": "on"}
