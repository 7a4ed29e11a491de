# SPDX-License-Identifier: EUPL-1.2
"""The outbox: events wait here until the platform has acknowledged them after its own commit.

Any service appends, inside the transaction of what the event tells; only `sync` deletes.
At every moment created = acked + pending + dropped; `account` tells the four, `recount` compares them with the rows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import uuid6

from edge_core import clock, coarse, events

if TYPE_CHECKING:
    import sqlite3

    from edge_core.event import Event


_COUNT_DROPPED = (
    "INSERT INTO account (class, dropped, pending) VALUES (?1, ?2, -?2)"
    " ON CONFLICT (class) DO UPDATE SET dropped = dropped + ?2, pending = pending - ?2"
)


@dataclass(frozen=True)
class Account:
    """The loss account: numbers of events since the epoch began."""

    created: int
    acked: int
    pending: int
    dropped: int

    @property
    def balanced(self) -> bool:
        """Tell whether every event is accounted for."""
        return self.created == self.acked + self.pending + self.dropped


def append(connection: sqlite3.Connection, event: Event, now: float) -> int:
    """Append an event inside the caller's transaction and return its sequence number.

    The body is finished JSON without `seq`, `epoch` and `source`, which `sync` adds when it sends. Of an event that has
    `coarsened` neither time nor id says the moment: both clocks move to the border of a window, by the same amount.
    """
    running = clock.monotonic()
    told = coarse.border(now, running) if event.coarsened else now
    body = {
        "specversion": "1.0",
        "id": coarse.uuid7(now) if event.coarsened else str(uuid6.uuid7()),
        "type": event.type,
        "time": datetime.fromtimestamp(told, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "boot": clock.boot_id(),
        "monotonic": round(running - (now - told), 3),
        "synchronised": clock.synchronised(),
        "datacontenttype": "application/json",
        "data": event.data(),
    }
    connection.execute(
        "INSERT INTO account (class, created, pending) VALUES (?, 1, 1)"
        " ON CONFLICT (class) DO UPDATE SET created = created + 1, pending = pending + 1",
        [event.klass],
    )
    row = connection.execute(
        "INSERT INTO outbox (class, type, body) VALUES (?, ?, ?) RETURNING seq",
        [event.klass, event.type, json.dumps(body, ensure_ascii=False, separators=(",", ":"))],
    ).fetchone()
    return int(row[0])


def read_after(connection: sqlite3.Connection, seq: int, limit: int) -> list[tuple[int, str, str]]:
    """Return up to `limit` rows (seq, class, body) above `seq`, oldest first."""
    cursor = connection.cursor()
    cursor.row_factory = None  # plain tuples: this is the hot path
    return cursor.execute(
        "SELECT seq, class, body FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?", [seq, limit]
    ).fetchall()


def gaps(connection: sqlite3.Connection, seq: int, limit: int) -> list[tuple[int, str, str]]:
    """Return up to `limit` rows (seq, class, body) above `seq` that declare gaps: they are sent ahead of their turn.

    The platform's acknowledgement stops at a hole until the gap is declared, and the declaration may stand behind more
    rows than a window holds.
    """
    rows = connection.execute(
        "SELECT seq, class, body FROM outbox WHERE type = 'eu.parvis.health.gap.v1' AND seq > ? ORDER BY seq LIMIT ?",
        [seq, limit],
    ).fetchall()
    return [(row[0], row[1], row[2]) for row in rows]


def read_raw(connection: sqlite3.Connection, seq: int, limit: int) -> list[tuple[int, bytes, bytes]]:
    """Return up to `limit` rows (seq, class, body) above `seq` as bytes: a damaged text can't be read otherwise."""
    rows = connection.execute(
        "SELECT seq, CAST(class AS BLOB), CAST(body AS BLOB) FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?",
        [seq, limit],
    ).fetchall()
    return [(row[0], row[1], row[2]) for row in rows]


def set_aside(connection: sqlite3.Connection, seq: int, klass: str, reason: str, now: float) -> None:
    """Move a row that can't be sent out of the way, and declare it, inside the caller's transaction.

    `klass` is the class under which it is counted as dropped; the row itself is kept as it is, for a person to read.
    """
    connection.execute(
        "INSERT OR REPLACE INTO set_aside SELECT seq, class, type, body, ?, ? FROM outbox WHERE seq = ?",
        [reason, now, seq],
    )
    if connection.execute("DELETE FROM outbox WHERE seq = ?", [seq]).rowcount:
        connection.execute(_COUNT_DROPPED, [klass, 1])
        append(connection, events.Gap(first=seq, last=seq, count=1, reason="damaged"), now)


def oldest(connection: sqlite3.Connection) -> int | None:
    """Return the lowest number that waits; None where nothing does."""
    row = connection.execute("SELECT min(seq) FROM outbox").fetchone()
    return None if row[0] is None else int(row[0])


def epoch(connection: sqlite3.Connection) -> str:
    """Return this database's epoch."""
    return str(connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()[0])


def last_seq(connection: sqlite3.Connection) -> int:
    """Return the highest number ever given; 0 where none was."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
    return int(row[0]) if row else 0


def acknowledge(connection: sqlite3.Connection, seq: int) -> int:
    """Delete, inside the caller's transaction, what the platform holds: all up to `seq`; return how many.

    Repeating it is safe: rows that are gone are not counted again.
    """
    counts = connection.execute("SELECT class, count(*) FROM outbox WHERE seq <= ? GROUP BY class", [seq]).fetchall()
    connection.execute("DELETE FROM outbox WHERE seq <= ?", [seq])
    # A class that the account doesn't know is a damaged one: it counts all the same, or the account would not sum.
    connection.executemany(
        "INSERT INTO account (class, acked, pending) VALUES (?1, ?2, -?2)"
        " ON CONFLICT (class) DO UPDATE SET acked = acked + ?2, pending = pending - ?2",
        [tuple(row) for row in counts],
    )
    return sum(row[1] for row in counts)


def drop(connection: sqlite3.Connection, first: int, last: int) -> int:
    """Delete, inside the caller's transaction, rows first..last as dropped; return how many.

    The caller appends a Gap event in the same transaction: what is lost is declared.
    """
    span = [first, last]
    counts = connection.execute(
        "SELECT class, count(*) FROM outbox WHERE seq BETWEEN ? AND ? GROUP BY class", span
    ).fetchall()
    connection.execute("DELETE FROM outbox WHERE seq BETWEEN ? AND ?", span)
    connection.executemany(_COUNT_DROPPED, [tuple(row) for row in counts])
    return sum(row[1] for row in counts)


def account(connection: sqlite3.Connection) -> Account:
    """Return the loss account, read in one statement so that its parts belong together."""
    row = connection.execute(
        "SELECT coalesce(sum(created), 0), coalesce(sum(acked), 0), coalesce(sum(pending), 0),"
        " coalesce(sum(dropped), 0) FROM account"
    ).fetchone()
    return Account(*row)


def accounts(connection: sqlite3.Connection) -> dict[str, Account]:
    """Return the loss account of each class."""
    rows = connection.execute("SELECT class, created, acked, pending, dropped FROM account ORDER BY class")
    return {str(row[0]): Account(*row[1:]) for row in rows.fetchall()}


def oldest_time(connection: sqlite3.Connection, klass: str) -> str | None:
    """Return when the oldest event of a class that waits was recorded (RFC 3339, by this device's clock)."""
    row = connection.execute("SELECT body FROM outbox WHERE class = ? ORDER BY seq LIMIT 1", [klass]).fetchone()
    try:
        return str(json.loads(row[0])["time"]) if row else None
    except (ValueError, KeyError, TypeError):
        return None


def oldest_age(connection: sqlite3.Connection, klass: str, now: float) -> float | None:
    """Return for how many seconds the oldest event of a class has waited at `now`; None where none does."""
    written = oldest_time(connection, klass)
    try:
        return None if written is None else max(0.0, now - datetime.fromisoformat(written).timestamp())
    except ValueError:
        return None


def recount(connection: sqlite3.Connection) -> bool:
    """Compare, inside the caller's transaction, what is counted as waiting with what waits; mend it; tell if it was so.

    Only a database that was changed behind our back differs.
    """
    rows = dict(connection.execute("SELECT class, count(*) FROM outbox GROUP BY class").fetchall())
    known = dict(connection.execute("SELECT class, pending FROM account").fetchall())
    wrong = {klass for klass in rows.keys() | known.keys() if rows.get(klass, 0) != known.get(klass, 0)}
    for klass in wrong:
        connection.execute(
            "INSERT INTO account (class, pending) VALUES (?, ?)"
            " ON CONFLICT (class) DO UPDATE SET pending = excluded.pending",
            [klass, rows.get(klass, 0)],
        )
    return not wrong
