# SPDX-License-Identifier: EUPL-1.2
"""Asks the Internet whether it is there, by one interface: a TCP handshake, or the smallest question of DNS."""

from __future__ import annotations

import secrets
import socket
import struct
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge_core.settings_parse import Probe

_TYPE_NS, _CLASS_IN, _ANSWER = 2, 1, 0x8000


def quickest(probes: Iterable[Probe], interface: str, patience: float) -> float | None:
    """Try the probes one after the other until one answers; return its seconds, or None where none does."""
    for probe in probes:
        start = time.monotonic()
        try:
            good = _handshake(probe, interface, patience) if probe.kind == "tcp" else _ask(probe, interface, patience)
        except OSError:
            continue
        if good:
            return time.monotonic() - start
    return None


def _open(probe: Probe, kind: socket.SocketKind, interface: str, patience: float) -> socket.socket:
    family = socket.AF_INET if probe.address.version == 4 else socket.AF_INET6
    opened = socket.socket(family, kind)
    opened.settimeout(patience)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        opened.connect((str(probe.address), probe.port))
    except OSError:
        opened.close()
        raise
    return opened


def _handshake(probe: Probe, interface: str, patience: float) -> bool:
    _open(probe, socket.SOCK_STREAM, interface, patience).close()
    return True


def _ask(probe: Probe, interface: str, patience: float) -> bool:
    """Ask for the root's name servers (RFC 1035, 4.1): whatever the server says of it, it is there."""
    number = secrets.randbits(16)
    with _open(probe, socket.SOCK_DGRAM, interface, patience) as link:
        link.send(struct.pack("!6HBHH", number, 0x0100, 1, 0, 0, 0, 0, _TYPE_NS, _CLASS_IN))
        head = link.recv(512)[:4]
    return len(head) == 4 and struct.unpack("!HH", head)[0] == number and bool(head[2] << 8 & _ANSWER)
