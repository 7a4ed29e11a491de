# SPDX-License-Identifier: EUPL-1.2
"""Leases of scarce things: what may be confirmed to a person here, at once, without a word from the platform.

The platform sets units aside (seats of an event, desks of a day) for this device alone. Whoever records a request
spends them in that transaction; only `sync` writes what the platform grants, extends and withdraws, and gives a lease
back when it ends. An ended lease never runs again, and what was spent is told as it ends: so no clock, ours or the
platform's, has to be right for a seat to be given once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_core import events
from edge_core.store import outbox

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

PERSON, REQUEST = "person", "request"
MOST = 5000
"""Running leases that a device takes: a platform out of its mind must not fill the disk."""
_NUMBER = re.compile(r"[1-9][0-9]{0,5}")


@dataclass(frozen=True, kw_only=True)
class Lease:
    """`units` of a thing until `until` (seconds since 1970); each person, or each request, takes one.

    `slot` is "" for every moment, "2025-03-06", or "2025-03-06T14:00", as the form's answers `date` and `time` say.
    """

    id: str
    kind: str
    subject: str
    slot: str
    each: str
    units: int
    until: float
    used: int = 0


@dataclass(frozen=True)
class Spent:
    """Units that a request took, and of which lease."""

    lease: str
    units: int


def spend(
    connection: sqlite3.Connection, kind: str, subject: str, answers: Mapping[str, str], now: float
) -> Spent | None:
    """Take what a request needs from a running lease, in the caller's transaction; None where none holds as much."""
    rows = connection.execute(
        "SELECT id, slot, each, units - used FROM leases WHERE kind = ? AND subject = ? AND ended_at IS NULL"
        " AND until > ? ORDER BY until, id",
        [kind, subject, now],
    ).fetchall()
    for lease, slot, each, left in rows:
        wanted = needed(each, answers)
        if slot in slots(answers) and wanted and wanted <= left:
            connection.execute("UPDATE leases SET used = used + ? WHERE id = ?", [wanted, lease])
            return Spent(lease, wanted)
    return None


def slots(answers: Mapping[str, str]) -> tuple[str, ...]:
    """Return the slots, coarse to fine, that a request with these answers falls in."""
    day, hour = answers.get("date", ""), answers.get("time", "")
    return ("", *([day] if day else []), *([f"{day}T{hour}"] if day and hour else []))


def needed(each: str, answers: Mapping[str, str]) -> int:
    """Return how many units a request takes; 0 where its number of people can't be read."""
    people = answers.get("people", "1") if each == PERSON else "1"
    return int(people) if _NUMBER.fullmatch(people) else 0


def grant(connection: sqlite3.Connection, lease: Lease) -> bool:
    """Begin a lease, inside the caller's transaction; False where it is known, whether it runs or has ended."""
    if connection.execute("SELECT count(*) FROM leases WHERE ended_at IS NULL").fetchone()[0] >= MOST:
        return False
    return bool(
        connection.execute(
            "INSERT INTO leases (id, kind, subject, slot, each, units, until) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO NOTHING",
            [lease.id, lease.kind, lease.subject, lease.slot, lease.each, lease.units, lease.until],
        ).rowcount
    )


def extend(connection: sqlite3.Connection, key: str, until: float) -> bool:
    """Let a running lease run until another moment, inside the caller's transaction; False where none runs."""
    changed = connection.execute("UPDATE leases SET until = ? WHERE id = ? AND ended_at IS NULL", [until, key])
    return bool(changed.rowcount)


def withdraw(connection: sqlite3.Connection, key: str, now: float) -> bool:
    """Give a running lease back because the platform asks for it, inside the caller's transaction."""
    found = connection.execute("SELECT used FROM leases WHERE id = ? AND ended_at IS NULL", [key]).fetchone()
    if found is not None:
        _end(connection, key, int(found[0]), "withdrawn", now)
    return found is not None


def are_over(connection: sqlite3.Connection, now: float) -> bool:
    """Tell whether a lease runs whose time is over."""
    over = connection.execute("SELECT 1 FROM leases WHERE ended_at IS NULL AND until <= ? LIMIT 1", [now])
    return over.fetchone() is not None


def give_back(connection: sqlite3.Connection, now: float) -> int:
    """Give back every lease whose time is over, inside the caller's transaction; return how many."""
    rows = connection.execute("SELECT id, used FROM leases WHERE ended_at IS NULL AND until <= ?", [now]).fetchall()
    for key, used in rows:
        _end(connection, key, int(used), "expired", now)
    return len(rows)


def forget_all(connection: sqlite3.Connection) -> None:
    """Forget every lease, inside the caller's transaction: another life of this database may have spent it."""
    connection.execute("DELETE FROM leases")


def running(connection: sqlite3.Connection) -> list[Lease]:
    """Return the leases that run, the next to end first."""
    names = "id, kind, subject, slot, each, units, until, used"
    rows = connection.execute(f"SELECT {names} FROM leases WHERE ended_at IS NULL ORDER BY until, id").fetchall()
    return [Lease(**dict(zip(names.split(", "), row, strict=True))) for row in rows]


def _end(connection: sqlite3.Connection, key: str, used: int, reason: str, now: float) -> None:
    connection.execute("UPDATE leases SET ended_at = ? WHERE id = ?", [now, key])
    outbox.append(connection, events.QuotaReturned(lease=key, used=used, reason=reason), now)
