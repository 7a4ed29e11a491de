# SPDX-License-Identifier: EUPL-1.2
"""Which address belongs to which MAC here: the leases of this gateway, and of a pair those that the other gave.

The one that stands by knows them ahead, so that nobody is locked out when it takes over: the rules judge by them, and
its own dnsmasq gives none of their addresses to anybody else.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from edge_core.leases import Lease, LeasesFile
from edge_core.store import site_leases
from gateway_agent.nft_elements import Table

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping
    from pathlib import Path

    from edge_core.settings import Settings

Leases = dict[IPv4Address, Lease]
_TIDY_SECONDS = 60.0
"""Between two writings that only take away: each makes dnsmasq forget the names that it knew."""


class Known:
    """The leases of this gateway and, of a pair, the other's."""

    def __init__(self, own: LeasesFile, store: sqlite3.Connection | None, hosts: Path) -> None:
        """`store` is None where this gateway stands alone; `hosts` is the file that dnsmasq reads."""
        self._own, self._store, self._hosts = own, store, hosts
        self._told: Leases = {}
        self._version = self._since = -1
        self._of: tuple[object, object] = (None, None)
        self._reserved_of: tuple[object, object] = (None, None)
        self._joined: Leases = {}
        self._written: set[str] | None = None
        self._tidy_due = 0.0

    def current(self) -> Leases:
        """Return the leases by address: the same object as long as nothing has changed. Raises sqlite3.Error."""
        own = self._own.current()
        if self._store is None:
            return own
        self._read(self._store)
        if self._of[0] is not own or self._of[1] is not self._told:
            self._of, self._joined = (own, self._told), join(own, self._told)
        return self._joined

    def move(self, seconds: float) -> None:
        """Let our own leases last as long as they had left: the wall clock was set by so much."""
        self._own.move(seconds)

    def reserve(self, now: float, moment: float) -> None:
        """Keep the other's leases from being given to anybody else by our own dnsmasq. Raises OSError."""
        if self._store is None:
            return
        own = self._own.current()
        if self._reserved_of[0] is own and self._reserved_of[1] is self._told and moment < self._tidy_due:
            return
        self._reserved_of = (own, self._told)
        lines = reservations(own, self._told, now)
        if self._written is None:
            self._written = _lines_of(self._hosts)
        waits, self._tidy_due = moment < self._tidy_due, max(self._tidy_due, moment + _TIDY_SECONDS)
        if lines == self._written or (waits and lines < self._written):
            return
        # In its place: on devices the file is made for the two users that share it.
        self._hosts.write_text("".join(sorted(lines)), encoding="ascii")
        self._written, self._tidy_due = lines, moment + _TIDY_SECONDS

    def _read(self, store: sqlite3.Connection) -> None:
        version = store.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return
        self._version = version
        newest = site_leases.newest(store)
        if newest != self._since:
            self._since, self._told = newest, {lease.address: lease for lease in site_leases.all_of(store)}


def join(own: Mapping[IPv4Address, Lease], told: Mapping[IPv4Address, Lease]) -> Leases:
    """Return both by address; where they differ, what lasts longer was said later."""
    joined = dict(told)
    for address, lease in own.items():
        other = joined.get(address)
        if other is None or lease.ends_at >= other.ends_at:
            joined[address] = lease
    return joined


def reservations(own: Mapping[IPv4Address, Lease], told: Mapping[IPv4Address, Lease], now: float) -> set[str]:
    """Return the lines of dnsmasq's dhcp-hostsfile at `now`: none against a newer lease of our own."""
    newest: dict[str, float] = {}
    for lease in own.values():
        newest[lease.mac] = max(lease.ends_at, newest.get(lease.mac, 0.0))
    kept: dict[str, Lease] = {}
    for lease in told.values():
        mine = own.get(lease.address)
        contradicted = mine is not None and mine.mac != lease.mac and mine.ends_at >= lease.ends_at
        moved = newest.get(lease.mac, 0.0) >= lease.ends_at and (mine is None or mine.mac != lease.mac)
        older = lease.mac in kept and kept[lease.mac].ends_at >= lease.ends_at
        if lease.ends_at > now and not (contradicted or moved or older):
            kept[lease.mac] = lease
    return {f"{lease.mac},{lease.address}\n" for lease in kept.values()}


def _lines_of(path: Path) -> set[str]:
    try:
        return set(path.read_text(encoding="ascii").splitlines(keepends=True))
    except (OSError, ValueError):
        return set()


def take_up(settings: Settings, store: sqlite3.Connection, now: float) -> Known:
    """Return the leases of this gateway; those that the rules in the kernel hold and the file has lost are among them.

    An agent that starts while the disk is full finds only part of the file. Such a lease lasts as long as a new one.
    """
    try:
        table = Table()
        try:
            elements = table.elements(("grant4",), now)["grant4"]
        finally:
            table.close()
    except OSError:  # no rules yet, or no right to read them
        elements = {}
    ends_at = now + max(zone.lease_time for zone in settings.zones)
    held = (Lease(key[:6].hex(":"), IPv4Address(key[8:12]), ends_at) for key in elements)
    file = LeasesFile(settings.leases_file, held)
    return Known(file, store if settings.ha.peer else None, settings.hosts_file)
