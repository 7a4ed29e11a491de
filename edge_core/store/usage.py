# SPDX-License-Identifier: EUPL-1.2
"""What each session has used; written by the gateway agent alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_core import events
from edge_core.store import grants, outbox
from edge_core.store.database import write

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable


@dataclass(frozen=True)
class Usage:
    """A session's traffic in all; up is what the guest sent."""

    up_bytes: int = 0
    up_packets: int = 0
    down_bytes: int = 0
    down_packets: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.up_bytes + other.up_bytes,
            self.up_packets + other.up_packets,
            self.down_bytes + other.down_bytes,
            self.down_packets + other.down_packets,
        )


def load(connection: sqlite3.Connection) -> dict[int, Usage]:
    """Return the recorded usage of each grant that isn't closed, by the grant's id."""
    rows = connection.execute(
        "SELECT grant_id, up_bytes, up_packets, down_bytes, down_packets FROM usage WHERE NOT closed"
    )
    return {row[0]: Usage(*row[1:]) for row in rows}


def of_grant(connection: sqlite3.Connection, grant: int) -> Usage:
    """Return what a grant has used, as it was recorded last."""
    row = connection.execute(
        "SELECT up_bytes, up_packets, down_bytes, down_packets FROM usage WHERE grant_id = ?", [grant]
    ).fetchone()
    return Usage(*row) if row else Usage()


def of_active(connection: sqlite3.Connection, now: float) -> tuple[int, int, int]:
    """Return how many grants hold, and the bytes that they sent and received, as recorded last."""
    row = connection.execute(
        "SELECT count(*), coalesce(sum(up_bytes), 0), coalesce(sum(down_bytes), 0) FROM grants"
        " LEFT JOIN usage ON grant_id = grants.id WHERE ended_at IS NULL AND expires_at > ?",
        [now],
    ).fetchone()
    return int(row[0]), int(row[1]), int(row[2])


def of_holder(connection: sqlite3.Connection, holder: str, *, ended_only: bool = False) -> int:
    """Return the bytes that all grants of a holder, or only those that are ended, have used in both directions."""
    row = connection.execute(
        "SELECT coalesce(sum(up_bytes + down_bytes), 0) FROM grants JOIN usage ON grant_id = grants.id"
        " WHERE holder = ? AND holder <> '' AND (ended_at IS NOT NULL OR NOT ?)",
        [holder, ended_only],
    ).fetchone()
    return int(row[0])


def record(connection: sqlite3.Connection, totals: Iterable[tuple[int, Usage]], now: float) -> None:
    """Write totals (not increments: writing them again changes nothing) of open sessions."""
    with write(connection):
        _put(connection, totals, now)


def close(connection: sqlite3.Connection, ends: Iterable[tuple[grants.Grant, Usage]], now: float) -> list[grants.Grant]:
    """Write the last totals of sessions, tell their ends and forget their devices, in one transaction.

    Returns those that had not been told before: telling an end again changes nothing.
    """
    with write(connection):
        return [grant for grant, total in ends if _close(connection, grant, total, now)]


def _close(connection: sqlite3.Connection, grant: grants.Grant, total: Usage, now: float) -> bool:
    done = connection.execute("SELECT closed FROM usage WHERE grant_id = ?", [grant.id]).fetchone()
    if done and done[0]:
        grants.forget(connection, grant, now)
        return False
    _put(connection, [(grant.id, total)], now)
    connection.execute("UPDATE usage SET closed = 1 WHERE grant_id = ?", [grant.id])
    ended_at = grant.ended_at if grant.ended_at is not None else min(grant.expires_at, now)
    event = events.SessionEnded(
        session=grant.session,
        plan=grant.plan,
        reason=grant.end_reason or "expired",
        duration=max(0, round(ended_at - grant.created_at)),
        up_bytes=total.up_bytes,
        up_packets=total.up_packets,
        down_bytes=total.down_bytes,
        down_packets=total.down_packets,
    )
    # Of a session that began at another gateway only what passed here is told: nothing, where nothing did.
    if not grant.adopted or total != Usage():
        outbox.append(connection, event, now)
    grants.forget(connection, grant, now)
    return True


def _put(connection: sqlite3.Connection, totals: Iterable[tuple[int, Usage]], now: float) -> None:
    connection.executemany(
        "INSERT INTO usage (grant_id, up_bytes, up_packets, down_bytes, down_packets, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (grant_id) DO UPDATE SET up_bytes = excluded.up_bytes,"
        " up_packets = excluded.up_packets, down_bytes = excluded.down_bytes, down_packets = excluded.down_packets,"
        " updated_at = excluded.updated_at WHERE NOT closed",
        [(g, u.up_bytes, u.up_packets, u.down_bytes, u.down_packets, now) for g, u in totals],
    )
