# SPDX-License-Identifier: EUPL-1.2
"""How a raw value of the configuration becomes a checked one; each parser raises ValueError saying what it expects."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_INTERFACE = re.compile(r"[A-Za-z0-9_.@-]{1,15}")  # IFNAMSIZ is 16 with the closing NUL
_HOSTNAME = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")

_MAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+")

DhcpRange = tuple[ipaddress.IPv4Address, ipaddress.IPv4Address]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def text(raw: Any) -> str:
    """Accept a text of 1 to 200 printable characters."""
    if not isinstance(raw, str) or not 1 <= len(raw) <= 200 or not raw.isprintable():
        raise ValueError("a text of 1 to 200 printable characters")
    return raw


def slug(raw: Any) -> str:
    """Accept a name that is safe in MQTT topics, file names and URLs."""
    if not isinstance(raw, str) or not _SLUG.fullmatch(raw):
        raise ValueError('1 to 40 of a-z, 0-9 and "-", such as "gateway-1"')
    return raw


def interface(raw: Any) -> str:
    """Accept the name of a network interface."""
    if not isinstance(raw, str) or not _INTERFACE.fullmatch(raw):
        raise ValueError('an interface\'s name of at most 15 characters, such as "eth0"')
    return raw


def slugs(raw: Any) -> tuple[str, ...]:
    """Accept a list of short names, or a text of them with commas."""
    items = [item.strip() for item in raw.split(",") if item.strip()] if isinstance(raw, str) else raw
    try:
        return tuple(slug(item) for item in items)
    except (TypeError, ValueError):
        raise ValueError('a list of short names, such as ["day-pass"]') from None


def ssid(raw: Any) -> str:
    """Accept a WiFi network's name: 1 to 32 bytes (IEEE 802.11), printable."""
    if not isinstance(raw, str) or not 1 <= len(raw.encode()) <= 32 or not raw.isprintable():
        raise ValueError('a name of 1 to 32 bytes, such as "Parc"')
    return raw


def country(raw: Any) -> str:
    """Accept a country's two letters (ISO 3166-1)."""
    if not isinstance(raw, str) or not re.fullmatch(r"[A-Z]{2}", raw):
        raise ValueError('two letters, such as "FR"')
    return raw


def channel(raw: Any) -> int:
    """Accept a WiFi channel of the bands of 2.4 and 5 GHz."""
    value = whole(raw, 1, 177, "a channel from 1 to 13, or from 36 to 177")
    if 13 < value < 36:
        raise ValueError("a channel from 1 to 13, or from 36 to 177")
    return value


def vlan(raw: Any) -> int:
    """Accept a VLAN's number (IEEE 802.1Q), or 0 for none."""
    return whole(raw, 0, 4094, "a VLAN's number from 1 to 4094, or 0 for none")


def hostname(raw: Any) -> str:
    """Accept a DNS name (RFC 1123 section 2.1), lower-cased."""
    if not isinstance(raw, str) or not _HOSTNAME.fullmatch(raw.lower()):
        raise ValueError('a host name, such as "portal.example.net"')
    return raw.lower()


def hostnames(raw: Any) -> tuple[str, ...]:
    """Accept a list of DNS names, or a text of them with commas."""
    items = [item.strip() for item in raw.split(",") if item.strip()] if isinstance(raw, str) else raw
    try:
        return tuple(hostname(item) for item in items)
    except (TypeError, ValueError):
        raise ValueError('a list of host names, such as ["login.example.net"]') from None


def places(raw: Any) -> tuple[str, ...]:
    """Accept a list of DNS names ("*." before one means the same), IP addresses and networks; or a text with commas."""
    items = [item.strip() for item in raw.split(",") if item.strip()] if isinstance(raw, str) else raw
    try:
        return tuple(_place(item) for item in items)
    except (TypeError, ValueError):
        raise ValueError('a list such as ["bank.example", "*.pay.example", "192.0.2.0/24"]') from None


def _place(item: Any) -> str:
    try:
        return str(ipaddress.ip_network(item if isinstance(item, str) else ""))
    except ValueError:
        return hostname(str(item).removeprefix("*."))


def yes_or_no(raw: Any) -> bool:
    """Accept true or false, from the environment as a text."""
    known = {True: True, False: False, "true": True, "false": False}
    if not isinstance(raw, (bool, str)) or raw not in known:
        raise ValueError("true or false")
    return known[raw]


def mail_address(raw: Any) -> str:
    """Accept one plain e-mail address."""
    if not isinstance(raw, str) or not _MAIL.fullmatch(raw):
        raise ValueError('an e-mail address, such as "wifi@parc.example"')
    return raw


def path(raw: Any) -> Path:
    """Accept a file-system path; a relative one counts from the working directory."""
    if not isinstance(raw, str) or not raw or "\0" in raw:
        raise ValueError("a path")
    return Path(raw).expanduser().absolute()


def ipv4_interface(raw: Any) -> ipaddress.IPv4Interface:
    """Accept an IPv4 address with its prefix length."""
    try:
        value = ipaddress.IPv4Interface(raw if isinstance(raw, str) and "/" in raw else "")
    except ValueError:
        raise ValueError('an IPv4 address with its prefix, such as "10.77.0.1/20"') from None
    if value.network.prefixlen > 30 or value.ip in (value.network.network_address, value.network.broadcast_address):
        raise ValueError('an address that a host may have in its network, such as "10.77.0.1/20"')
    return value


def ipv6_interface(raw: Any) -> ipaddress.IPv6Interface:
    """Accept an IPv6 address with prefix length 64 (SLAAC needs it, RFC 4862 section 5.5.3)."""
    try:
        value = ipaddress.IPv6Interface(raw if isinstance(raw, str) else "")
    except ValueError:
        raise ValueError('an IPv6 address with its prefix, such as "fd77:0:0:1::1/64"') from None
    if value.network.prefixlen != 64:
        raise ValueError('a /64, such as "fd77:0:0:1::1/64": guests make their own addresses in it')
    return value


def dhcp_range(raw: Any) -> DhcpRange:
    """Accept the first and last address that DHCP may give, joined by a hyphen or a comma."""
    parts = re.split(r"\s*[-,]\s*", raw) if isinstance(raw, str) else []
    try:
        first, last = (ipaddress.IPv4Address(part) for part in parts)
    except ValueError:
        raise ValueError('two IPv4 addresses, such as "10.77.1.0-10.77.15.250"') from None
    if first > last:
        raise ValueError("the lower address first")
    return first, last


def addresses(raw: Any) -> tuple[Address, ...]:
    """Accept one address, or a list of them, or a text of them with commas."""
    items = raw.split(",") if isinstance(raw, str) else raw
    try:
        found = tuple(ipaddress.ip_address(str(item).strip()) for item in items)
    except (TypeError, ValueError):
        raise ValueError('one or more IP addresses, such as ["9.9.9.9", "149.112.112.112"]') from None
    if not found:
        raise ValueError("at least one IP address")
    return found


def port(raw: Any) -> int:
    """Accept a TCP port."""
    return whole(raw, 1, 65535, "a port from 1 to 65535")


def seconds(raw: Any) -> int:
    """Accept a duration of one second to a year."""
    return whole(raw, 1, 366 * 86400, "a whole number of seconds, at least 1")


def idle(raw: Any) -> int:
    """Accept a duration of up to a year, or 0 for none."""
    return whole(raw, 0, 366 * 86400, "a whole number of seconds, or 0 for never")


def count(raw: Any) -> int:
    """Accept a count."""
    return whole(raw, 1, 1_000_000, "a whole number, at least 1")


def bind(raw: Any) -> str:
    """Accept an IP address to listen on."""
    try:
        return str(ipaddress.ip_address(raw if isinstance(raw, str) else ""))
    except ValueError:
        raise ValueError('an IP address to listen on, such as "127.0.0.1"') from None


def listener(raw: Any) -> tuple[str, int]:
    """Accept an IP address and a port to listen on."""
    host, _, number = raw.rpartition(":") if isinstance(raw, str) else ("", "", "")
    try:
        return bind(host.removeprefix("[").removesuffix("]")), whole(number, 0, 65535, "")
    except ValueError:
        raise ValueError('an address and a port, such as "10.77.0.1:8083"') from None


def mode(raw: Any) -> str:
    """Accept how packets are judged."""
    if raw not in ("nftables", "none"):
        raise ValueError('"nftables", or "none" for a demonstration without enforcement')
    return str(raw)


def record(raw: Any) -> str:
    """Accept when connections are recorded."""
    if raw not in ("off", "on", "injunction"):
        raise ValueError('"off", "on", or "injunction" (only while one is in force)')
    return str(raw)


def when_full(raw: Any) -> str:
    """Accept what happens where the legal record can't be written."""
    if raw not in ("stop", "gap"):
        raise ValueError('"stop" (no new sessions), or "gap" (go on, and record that something is missing)')
    return str(raw)


def whole(raw: Any, least: int, most: int, expected: str) -> int:
    """Accept a whole number in these bounds; `expected` says so."""
    try:
        value = int(raw) if isinstance(raw, (int, str)) and not isinstance(raw, bool) else least - 1
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise ValueError(expected)
    return value


class Probe(NamedTuple):
    """One question to the Internet: "dns" (UDP) or "tcp" (a handshake), to an address and port."""

    kind: str
    address: Address
    port: int


def probes(raw: Any) -> tuple[Probe, ...]:
    """Parse probes such as `dns://192.0.2.53` and `tcp://[2001:db8::1]:443`, as a list or separated by commas."""
    items = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(items, list):
        raise ValueError(_PROBES)  # noqa: TRY004  the caller words it
    return tuple(_probe(item) for item in items)


_PROBES = "a list of addresses such as dns://192.0.2.53 or tcp://192.0.2.1:443"


def _probe(item: Any) -> Probe:
    try:
        parts = urlsplit(str(item).strip())
        address = ipaddress.ip_address(parts.hostname or "")
        number = parts.port or (53 if parts.scheme == "dns" else 443)
    except ValueError:
        raise ValueError(_PROBES) from None
    if parts.scheme not in ("dns", "tcp") or parts.path or parts.query or parts.username:
        raise ValueError(_PROBES)
    return Probe(parts.scheme, address, number)


ROLES = ("scanner", "badge", "printer", "touch", "headphones", "keypad")
Hours = tuple[int, int]
"""First and last minute of the day; the first may be the later one, for hours that go over midnight."""


def roles(raw: Any) -> tuple[str, ...]:
    """Accept roles of a kiosk's devices: a list, or one text with commas."""
    items = [item.strip() for item in raw.split(",") if item.strip()] if isinstance(raw, str) else raw
    if not isinstance(items, list) or any(item not in ROLES for item in items):
        raise ValueError(f"a list of {', '.join(ROLES)}")
    return tuple(items)


def paper(raw: Any) -> int:
    """Accept a width of paper."""
    if raw not in (58, 80, "58", "80"):
        raise ValueError("58 or 80 (millimetres)")
    return int(raw)


def hours(raw: Any) -> Hours:
    """Accept hours of the day, "07:00-20:00"."""
    found = re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])", str(raw))
    if found is None or found[1] + found[2] == found[3] + found[4]:
        raise ValueError('two times of the day, such as "07:00-20:00"')
    first, last = (int(found[at]) * 60 + int(found[at + 1]) for at in (1, 3))
    return first, last
