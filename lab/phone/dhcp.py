# SPDX-License-Identifier: EUPL-1.2
"""A DHCPv4 client (RFC 2131) on a raw socket, for many phones in one process; speaks on the wire as any phone does."""

import os
import socket
import struct
import time
from ipaddress import IPv4Address
from pathlib import Path

from lab.phone.lease import CAPTIVE_PORTAL_OPTION, Lease

_ETHERTYPE_IP = 0x0800
_MAGIC = b"\x63\x82\x53\x63"
_BROADCAST = 0x8000  # we have no address yet: answer to all
_DISCOVER, _OFFER, _REQUEST, _ACK, _NAK, _RELEASE = 1, 2, 3, 5, 6, 7
_ROUTER, _DNS, _LEASE_TIME, _REQUESTED, _TYPE, _SERVER, _WANTED = 3, 6, 51, 50, 53, 54, 55
_HEADERS = 14 + 20 + 8
_TRY_SECONDS = 2.0

Options = dict[int, bytes]


class NoLeaseError(Exception):
    """Nobody offered an address in time, or the server refused."""


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def frame(mac: bytes, transaction: int, kind: int, options: Options) -> bytes:
    """Return a whole Ethernet frame with one DHCP message to everybody."""
    bootp = struct.pack("!BBBBIHH16x6s10x192x", 1, 1, 6, 0, transaction, 0, _BROADCAST, mac) + _MAGIC
    wanted = bytes((1, _ROUTER, _DNS, _LEASE_TIME, CAPTIVE_PORTAL_OPTION))
    whole = {_TYPE: bytes((kind,)), _WANTED: wanted, **options}
    message = bootp + b"".join(bytes((code, len(value))) + value for code, value in whole.items()) + b"\xff"
    udp = struct.pack("!HHHH", 68, 67, 8 + len(message), 0) + message  # 0: no checksum (RFC 768)
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes(4), b"\xff" * 4)
    head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
    return b"\xff" * 6 + mac + struct.pack("!H", _ETHERTYPE_IP) + head + udp


def parse(packet: bytes, transaction: int) -> tuple[int, IPv4Address, Options] | None:
    """Return (kind, offered address, options) of a server's answer to our transaction; None for anything else."""
    if len(packet) < _HEADERS + 240 or packet[23] != 17 or packet[36:38] != b"\x00\x44":
        return None
    bootp = packet[_HEADERS:]
    if struct.unpack("!I", bootp[4:8])[0] != transaction or bootp[236:240] != _MAGIC:
        return None
    options: Options = {}
    rest = bootp[240:]
    while len(rest) > 1 and rest[0] != 255:
        options[rest[0]] = rest[2 : 2 + rest[1]]
        rest = rest[2 + rest[1] :]
    return (options.get(_TYPE) or b"\0")[0], IPv4Address(bootp[16:20]), options


def _exchange(
    raw: socket.socket, mac: bytes, ask: tuple[int, Options], expected: int, deadline: float
) -> tuple[IPv4Address, Options]:
    transaction = int.from_bytes(os.urandom(4), "big")
    while time.monotonic() < deadline:
        raw.send(frame(mac, transaction, *ask))
        again = min(deadline, time.monotonic() + _TRY_SECONDS)
        while (left := again - time.monotonic()) > 0:
            raw.settimeout(left)
            try:
                answer = parse(raw.recv(2048), transaction)
            except TimeoutError:
                break
            if answer and answer[0] == expected:
                return answer[1], answer[2]
            if answer and answer[0] == _NAK:
                raise NoLeaseError("the server refused the address that it had offered")
    raise NoLeaseError("no answer from a DHCP server")


def obtain(interface: str, seconds: float = 15.0) -> Lease:
    """Get a lease for the interface; NoLeaseError when none came in time."""
    mac = bytes.fromhex(Path(f"/sys/class/net/{interface}/address").read_text(encoding="ascii").replace(":", ""))
    deadline = time.monotonic() + seconds
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETHERTYPE_IP)) as raw:
        raw.bind((interface, _ETHERTYPE_IP))
        offered, offer = _exchange(raw, mac, (_DISCOVER, {}), _OFFER, deadline)
        ask = {_REQUESTED: offered.packed, _SERVER: offer[_SERVER]}
        address, given = _exchange(raw, mac, (_REQUEST, ask), _ACK, deadline)
    return Lease(
        interface,
        address,
        IPv4Address(given[_ROUTER][:4]),
        IPv4Address(given[_DNS][:4]),
        int.from_bytes(given[_LEASE_TIME], "big"),
        given.get(CAPTIVE_PORTAL_OPTION, b"").decode("ascii", "replace"),
    )
