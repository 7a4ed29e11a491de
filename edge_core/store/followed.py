# SPDX-License-Identifier: EUPL-1.2
"""What the gateway agent follows and closes: grants by what changed, those that are over, blocked devices, the clock.

Every change of a grant, by whomever, gets the next `revision` from a trigger; so one look costs what is new.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edge_core.settings_zones import FIRST
from edge_core.store.database import write
from edge_core.store.grants import VOUCHER, Grant

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

_PERMIT = "id, mac, expires_at, ended_at, revision, rate_up, rate_down, quota, zone"


class Permit(NamedTuple):
    """What the agent needs of a grant: times in seconds since 1970, rates in kbit/s, quota in bytes, None: no limit."""

    id: int
    mac: str
    expires_at: float
    ended_at: float | None = None
    revision: int = 0
    rate_up: int | None = None
    rate_down: int | None = None
    quota: int | None = None
    zone: str = FIRST

    def remaining(self, now: float) -> float:
        """Return the seconds left, 0 where it is over."""
        return 0.0 if self.ended_at is not None else max(0.0, self.expires_at - now)


def changed(connection: sqlite3.Connection, since: int | None) -> tuple[list[Permit], int]:
    """Return the grants changed after revision `since`, ended ones included, and the revision reached.

    With None: every grant that was not ended.
    """
    cursor = connection.cursor()
    cursor.row_factory = None  # plain tuples: there may be 15,000
    if since is None:
        # The number first: what changes between the two questions is told twice rather than never.
        top = int(cursor.execute("SELECT coalesce(max(revision), 0) FROM grants").fetchone()[0])
        rows = cursor.execute(f"SELECT {_PERMIT} FROM grants WHERE ended_at IS NULL").fetchall()
    else:
        rows = cursor.execute(f"SELECT {_PERMIT} FROM grants WHERE revision > ?", [since]).fetchall()
        top = max((row[4] for row in rows), default=since)
    return [Permit._make(row) for row in rows], top


def over(connection: sqlite3.Connection, now: float, most: int) -> list[Grant]:
    """Return up to `most` grants that are over (ended, or expired) and whose usage was not told yet."""
    columns = "id, session, mac, plan, created_at, expires_at, ended_at, end_reason"
    rows = connection.execute(
        f"SELECT {columns} FROM grants WHERE mac <> '' AND ended_at IS NOT NULL"
        f" UNION ALL SELECT {columns} FROM grants WHERE mac <> '' AND ended_at IS NULL AND expires_at <= ? LIMIT ?",
        [now, most],
    )
    return [Grant(*row) for row in rows]


def shift(connection: sqlite3.Connection, seconds: float, up_to: int) -> int:
    """Move the open grants with an id up to `up_to` by `seconds`: the wall clock was set, their time goes on.

    Returns how many. Called once for each step of the clock, in one transaction with the note that it was done.
    """
    done = connection.execute(
        "UPDATE grants SET created_at = created_at + ?, expires_at = expires_at + ?"
        " WHERE ended_at IS NULL AND mac <> '' AND id <= ?",
        [seconds, seconds, up_to],
    )
    connection.execute(  # the time of a code runs with the session that it opened
        "UPDATE vouchers SET used_at = used_at + ? WHERE used_at IS NOT NULL AND ? || id IN"
        " (SELECT holder FROM grants WHERE ended_at IS NULL AND mac <> '' AND id <= ?)",
        [seconds, VOUCHER, up_to],
    )
    return done.rowcount


def blocked(connection: sqlite3.Connection) -> set[str]:
    """Return the MACs that may do nothing here."""
    return {row[0] for row in connection.execute("SELECT mac FROM blocks")}


def block(connection: sqlite3.Connection, mac: str, now: float) -> bool:
    """Shut a device out, ending its session; False where it was blocked already."""
    with write(connection):
        added = connection.execute("INSERT INTO blocks VALUES (?, ?) ON CONFLICT DO NOTHING", [mac, now]).rowcount
        connection.execute(
            "UPDATE grants SET ended_at = min(?, expires_at), end_reason = 'blocked'"
            " WHERE mac = ? AND ended_at IS NULL",
            [now, mac],
        )
        return bool(added)


def unblock(connection: sqlite3.Connection, mac: str) -> bool:
    """Let a device in again; False where it was not blocked."""
    with write(connection):
        return bool(connection.execute("DELETE FROM blocks WHERE mac = ?", [mac]).rowcount)


def end(connection: sqlite3.Connection, ids: Iterable[int], reason: str, now: float) -> None:
    """End grants by their ids."""
    with write(connection):
        connection.executemany(
            "UPDATE grants SET ended_at = min(?, expires_at), end_reason = ? WHERE id = ? AND ended_at IS NULL",
            [(now, reason, number) for number in ids],
        )


def known(connection: sqlite3.Connection, ids: Iterable[int]) -> list[int]:
    """Return those of `ids` that are grants here: a flow's mark may be left from another database."""
    question = "SELECT 1 FROM grants WHERE id = ?"
    return [number for number in ids if connection.execute(question, [number]).fetchone()]
