# SPDX-License-Identifier: EUPL-1.2
"""The leases that the other gateway of a pair told: `sync` writes them, the agent reads. Times are by our own clock.

Both stand on the guests' link and hear each device's MAC there, so this is the one place where MACs go to another.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from edge_core.leases import Lease

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

MOST = 65_536
"""Rows kept: a gateway gone mad must not fill our disk."""
_TOLERANCE = 2.0  # seconds by which two words on one moment differ anyway


def merge(connection: sqlite3.Connection, told: Iterable[Lease]) -> int:
    """Take in leases, inside the caller's transaction: the last word on an address counts. Return how many are new."""
    change = newest(connection)
    room = MOST - int(connection.execute("SELECT count(*) FROM site_leases").fetchone()[0])
    news = 0
    for lease in told:
        address = str(lease.address)
        old = connection.execute("SELECT mac, ends_at FROM site_leases WHERE address = ?", [address]).fetchone()
        if old and old[0] == lease.mac and abs(old[1] - lease.ends_at) <= _TOLERANCE:
            continue
        if old is None and news >= room:
            continue
        news += 1
        connection.execute(
            "INSERT OR REPLACE INTO site_leases (address, mac, ends_at, change) VALUES (?, ?, ?, ?)",
            [address, lease.mac, lease.ends_at, change + 1],
        )
    return news


def newest(connection: sqlite3.Connection) -> int:
    """Return the number of the last change; it only rises, except where nothing is left."""
    return int(connection.execute("SELECT coalesce(max(change), 0) FROM site_leases").fetchone()[0])


def all_of(connection: sqlite3.Connection) -> list[Lease]:
    """Return all of them, those that are over too."""
    rows = connection.execute("SELECT mac, address, ends_at FROM site_leases")
    return [Lease(mac, IPv4Address(address), ends_at) for mac, address, ends_at in rows]


def shift(connection: sqlite3.Connection, seconds: float, up_to: int) -> None:
    """Move those of changes up to `up_to` by `seconds`, inside the caller's transaction: our clock was set."""
    connection.execute(
        "UPDATE site_leases SET ends_at = ends_at + ?, change = ? WHERE change <= ?",
        [seconds, newest(connection) + 1, up_to],
    )


def tidy(connection: sqlite3.Connection, now: float) -> None:
    """Forget, inside the caller's transaction, those that are over."""
    connection.execute("DELETE FROM site_leases WHERE ends_at < ? AND change < ?", [now, newest(connection)])
