# SPDX-License-Identifier: EUPL-1.2
"""Erases visits whose time is over, and keeps the proof: how many, when, each line sealed by the one before.

A line says nothing of anybody. Who changes or removes one breaks the chain of digests behind it (`check` tells).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_core.store import visits
from edge_core.store.database import write

if TYPE_CHECKING:
    import sqlite3

_MOST = 500
_JOBS_KEPT = 2 * 86400.0
"""Seconds that a ticket's paper is kept for printing it again."""
_OLD = (
    "SELECT id FROM visits WHERE updated_at < ? AND (state = ? OR (state = ? AND coalesce(expected_until, 0) < ?))"
    " AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.seq = visits.seq) LIMIT ?"
)


@dataclass(frozen=True)
class Line:
    """At `at` (seconds since 1970) `visits` visits were erased that had not changed since `before`."""

    n: int
    at: float
    before: float
    visits: int
    digest: str


def erase(connection: sqlite3.Connection, before: float, now: float) -> int:
    """Erase some visits that are over and have not changed since `before`; return how many rows went.

    Nothing that the platform has not acknowledged goes. Raises StoreError where it can't be written.
    """
    with write(connection):
        jobs = connection.execute(
            "DELETE FROM print_jobs WHERE id IN (SELECT id FROM print_jobs WHERE updated_at < ? LIMIT ?)",
            [now - _JOBS_KEPT, _MOST],
        ).rowcount
        keys = connection.execute(_OLD, [before, visits.LEFT, visits.ANNOUNCED, before, _MOST]).fetchall()
        connection.executemany("DELETE FROM visits WHERE id = ?", [(row[0],) for row in keys])  # tickets go with them
        connection.execute("DELETE FROM roll_ticks WHERE at < ?", [before])
        connection.execute("DELETE FROM roll_calls WHERE started_at < ?", [before])
        if keys:
            last = connection.execute("SELECT digest FROM erasures ORDER BY n DESC LIMIT 1").fetchone()
            digest = _digest(str(last[0]) if last else "", now, before, len(keys))
            connection.execute(
                "INSERT INTO erasures (at, before, visits, digest) VALUES (?, ?, ?, ?)",
                [now, before, len(keys), digest],
            )
        return jobs + len(keys)


def lines(connection: sqlite3.Connection) -> list[Line]:
    """Return the proof, oldest line first."""
    rows = connection.execute("SELECT n, at, before, visits, digest FROM erasures ORDER BY n").fetchall()
    return [Line(*row) for row in rows]


def check(found: list[Line]) -> bool:
    """Tell whether no line was changed, added or taken out."""
    digest, number = "", 0
    for line in found:
        digest, number = _digest(digest, line.at, line.before, line.visits), number + 1
        if digest != line.digest or line.n != number:
            return False
    return True


def _digest(last: str, at: float, before: float, count: int) -> str:
    return hashlib.sha256(f"{last}\n{at!r}\n{before!r}\n{count}".encode()).hexdigest()
