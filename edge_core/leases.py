# SPDX-License-Identifier: EUPL-1.2
"""Reads the leases that dnsmasq writes: which address belongs to which MAC. Names in it are the guests' own words.

dnsmasq empties the file and writes it anew, so a full disk leaves it cut short for as long as it is full. Whoever had
an address therefore keeps it until the lease's own end, or until the file gives the address to somebody else.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address
from typing import TYPE_CHECKING, NamedTuple

from edge_core import clock

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
"""A MAC as dnsmasq writes it."""
_FIELDS = 4
_LONGEST = 16 * 1024 * 1024
_SETTLED = 0.1
"""Seconds after which a file that did not change is taken to be whole: dnsmasq rewrites it in place."""


class Lease(NamedTuple):
    """An address, its MAC, and when it ends in seconds since 1970 (infinity: never)."""

    mac: str
    address: IPv4Address
    ends_at: float


def parse(text: str) -> list[Lease]:
    """Return the IPv4 leases in a dnsmasq lease file: `expiry mac address name client-id` a line (dnsmasq(8)).

    Lines that are anything else (IPv6, a DUID, a line cut short) are left out. The guest chooses name and client-id,
    which come after the fields read here and can't move them.
    """
    return [lease for line in text.split("\n") if (lease := _lease(line))]


def _lease(line: str) -> Lease | None:
    words = line.split(" ")
    if len(words) < _FIELDS or not (words[0].isascii() and words[0].isdigit()) or not MAC.fullmatch(words[1]):
        return None
    try:
        address = IPv4Address(words[2])
        ends_at = float(words[0][:12])
    except (AddressValueError, ValueError):
        return None
    return Lease(words[1], address, ends_at or float("inf"))


def _moved(lease: Lease, seconds: float) -> Lease:
    return lease._replace(ends_at=lease.ends_at + seconds)


class LeasesFile:
    """The file as last read, and the leases that it has lost before their end."""

    def __init__(self, path: Path, held: Iterable[Lease] = ()) -> None:
        """Nothing is read yet; `held` are leases known from elsewhere, which the file may take away."""
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._settled = False
        self._leases: dict[IPv4Address, Lease] = {lease.address: lease for lease in held}
        self._lines: dict[str, Lease | None] = {}

    def current(self) -> dict[IPv4Address, Lease]:
        """Return the leases by address, those of the file last; a file that can't be read changes nothing."""
        try:
            status = self._path.stat()
            seen = (status.st_ino, status.st_mtime_ns, status.st_size)
            if seen == self._seen and self._settled:
                return self._leases
            with self._path.open("rb") as file:
                text = file.read(_LONGEST).decode("utf-8", "replace")
            self._settled = abs(clock.now() - status.st_mtime) > _SETTLED and seen == self._again()
        except OSError:
            return self._leases
        self._seen = seen
        # A renewal rewrites the whole file: only lines that are new are taken apart.
        self._lines = {line: self._lines[line] if line in self._lines else _lease(line) for line in text.split("\n")}
        fresh = {lease.address: lease for lease in self._lines.values() if lease}
        now = clock.now()
        lost = {
            address: lease for address, lease in self._leases.items() if address not in fresh and lease.ends_at > now
        }
        self._leases = lost | fresh
        return self._leases

    def move(self, seconds: float) -> None:
        """Let leases last as long as they had left: the wall clock was set by so much.

        A lease is a length of time, which its device's own clock measures. Lines written since count as they stand.
        """
        self._lines = {line: lease and _moved(lease, seconds) for line, lease in self._lines.items()}
        self._leases = {address: _moved(lease, seconds) for address, lease in self._leases.items()}

    def _again(self) -> tuple[int, int, int]:
        status = self._path.stat()
        return status.st_ino, status.st_mtime_ns, status.st_size
