# SPDX-License-Identifier: EUPL-1.2
"""Grants: the wish that a device be online, until when. The portal and the command line write them, nobody else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import uuid6

from edge_core import events
from edge_core.store import outbox
from edge_core.store.database import write

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

_COLUMNS = "id, session, mac, plan, created_at, expires_at, ended_at, end_reason"


@dataclass(frozen=True)
class Grant:
    """One device's permission. `id` is the conntrack mark of its flows; times are seconds since 1970."""

    id: int
    session: str
    mac: str
    plan: str
    created_at: float
    expires_at: float
    ended_at: float | None
    end_reason: str | None

    def remaining(self, now: float) -> float:
        """Return the seconds left, 0 where it is over."""
        return 0.0 if self.ended_at is not None else max(0.0, self.expires_at - now)


def accept(connection: sqlite3.Connection, mac: str, plan: str, seconds: int, now: float) -> Grant:
    """Grant access and tell it, in one transaction. A device that has a grant keeps it: a form sent twice is one.

    Raises StoreError where it can't be recorded: then nothing was granted.
    """
    with write(connection):
        current = by_mac(connection, mac, now)
        if current:
            return current
        _end_open(connection, mac, now, "expired")
        row = connection.execute(
            "INSERT INTO grants (session, mac, plan, created_at, expires_at) VALUES (?, ?, ?, ?, ?)"
            f" RETURNING {_COLUMNS}",
            [str(uuid6.uuid7()), mac, plan, now, now + seconds],
        ).fetchone()
        grant = Grant(*row)
        outbox.append(connection, events.SessionStarted(session=grant.session, plan=plan, seconds=seconds), now)
        return grant


def active(connection: sqlite3.Connection, now: float) -> list[Grant]:
    """Return the grants that hold at `now`."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM grants WHERE ended_at IS NULL AND expires_at > ? ORDER BY id", [now]
    )
    return [Grant(*row) for row in rows]


def open_ends(connection: sqlite3.Connection) -> dict[int, float]:
    """Return when each grant that was not ended runs out, by its id: the cheap look that tells what has changed."""
    return {row[0]: row[1] for row in connection.execute("SELECT id, expires_at FROM grants WHERE ended_at IS NULL")}


def some(connection: sqlite3.Connection, ids: Iterable[int]) -> list[Grant]:
    """Return the grants with these ids."""
    statement = f"SELECT {_COLUMNS} FROM grants WHERE id = ?"
    return [Grant(*row) for number in ids for row in connection.execute(statement, [number])]


def by_mac(connection: sqlite3.Connection, mac: str, now: float) -> Grant | None:
    """Return the grant that a device has at `now`."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM grants WHERE mac = ? AND ended_at IS NULL AND expires_at > ?", [mac, now]
    ).fetchone()
    return Grant(*row) if row else None


def end(connection: sqlite3.Connection, mac: str, reason: str, now: float) -> Grant | None:
    """End a device's grant; return it as it was, or None where it had none. The agent tells its usage."""
    with write(connection):
        current = by_mac(connection, mac, now)
        if current:
            _end_open(connection, mac, now, reason)
        return current


def unclosed(connection: sqlite3.Connection, now: float) -> list[Grant]:
    """Return the grants that are over (ended, or expired) and whose usage was not told yet."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM grants WHERE (ended_at IS NOT NULL OR expires_at <= ?)"
        " AND NOT EXISTS (SELECT 1 FROM usage WHERE grant_id = grants.id AND closed) ORDER BY id",
        [now],
    )
    return [Grant(*row) for row in rows]


def forget(connection: sqlite3.Connection, grant: Grant, now: float) -> None:
    """Forget which device had a grant that is over, inside the transaction that tells its end.

    From here on the session is a number of bytes with a random id: a MAC address stays no longer than its grant.
    """
    connection.execute(
        "UPDATE grants SET mac = '', ended_at = coalesce(ended_at, min(?, expires_at)),"
        " end_reason = coalesce(end_reason, 'expired') WHERE id = ?",
        [now, grant.id],
    )


def _end_open(connection: sqlite3.Connection, mac: str, now: float, reason: str) -> None:
    connection.execute(
        "UPDATE grants SET ended_at = min(?, expires_at), end_reason = ? WHERE mac = ? AND ended_at IS NULL",
        [now, reason, mac],
    )
