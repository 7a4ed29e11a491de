# SPDX-License-Identifier: EUPL-1.2
"""What waits for the ticket printer: pages add jobs, the device service takes them; each is printed at most once.

`waiting` → `printing` → `printed`. A job goes back to `waiting` only where it is sure that no paper came out. In doubt
it becomes `shown`: the ticket's owner has it on the screen, and the reception can print it again on purpose.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_core.store.database import write

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

WAITING, PRINTING, PRINTED, SHOWN = "waiting", "printing", "printed", "shown"
WORTH_PRINTING = 4 * 3600.0
"""Seconds after which nobody stands there for a ticket that still waits."""
_COLUMNS = "id, ticket, state, reason, created_at, updated_at"


@dataclass(frozen=True)
class Job:
    """One ticket for the printer: `ticket` is what `kiosk.ticket` reads, `reason` why it was not printed."""

    id: str
    ticket: Mapping[str, Any]
    state: str
    reason: str | None
    created_at: float
    updated_at: float


def add(connection: sqlite3.Connection, key: str, ticket: Mapping[str, Any], now: float) -> None:
    """Ask, inside the caller's transaction, for a ticket; asking again under the same id changes nothing."""
    connection.execute(
        f"INSERT INTO print_jobs ({_COLUMNS}) VALUES (?, ?, ?, NULL, ?, ?) ON CONFLICT (id) DO NOTHING",
        [key, json.dumps(ticket, ensure_ascii=False), WAITING, now, now],
    )


def is_waiting(connection: sqlite3.Connection) -> bool:
    """Tell whether any job waits, without a write."""
    return connection.execute("SELECT 1 FROM print_jobs WHERE state = ? LIMIT 1", [WAITING]).fetchone() is not None


def take(connection: sqlite3.Connection, now: float) -> Job | None:
    """Take the oldest job that waits, now `printing`; None where none does. Two takers never get the same."""
    with write(connection):
        connection.execute(
            "UPDATE print_jobs SET state = ?, reason = 'late', updated_at = ? WHERE state = ? AND created_at < ?",
            [SHOWN, now, WAITING, now - WORTH_PRINTING],
        )
        row = connection.execute(
            f"UPDATE print_jobs SET state = ?, updated_at = ? WHERE id = (SELECT id FROM print_jobs WHERE state = ?"
            f" ORDER BY created_at, id LIMIT 1) RETURNING {_COLUMNS}",
            [PRINTING, now, WAITING],
        ).fetchone()
    return _job(row) if row else None


def done(connection: sqlite3.Connection, key: str, now: float) -> bool:
    """Note that a job's paper came out; False where it was not being printed."""
    return _move(connection, key, (PRINTING, PRINTED), None, now)


def put_back(connection: sqlite3.Connection, key: str, reason: str, now: float) -> bool:
    """Let a job wait again, because it is sure that no paper came out (`reason`: "paper", "cover", "busy", "gone")."""
    return _move(connection, key, (PRINTING, WAITING), reason, now)


def give_up(connection: sqlite3.Connection, key: str, reason: str, now: float) -> bool:
    """Note that nobody knows whether the paper came out, or that it is not wanted: it is never printed by itself."""
    return any(_move(connection, key, (before, SHOWN), reason, now) for before in (PRINTING, WAITING))


def interrupted(connection: sqlite3.Connection, now: float) -> int:
    """Give up, when the device service starts, what was being printed as it died; return how many."""
    with write(connection):
        return connection.execute(
            "UPDATE print_jobs SET state = ?, reason = 'interrupted', updated_at = ? WHERE state = ?",
            [SHOWN, now, PRINTING],
        ).rowcount


def again(connection: sqlite3.Connection, key: str, now: float) -> bool:
    """Print, inside the caller's transaction, a ticket once more because a person asks; False where it is unknown.

    The copy is a job of its own (`ID/2`, `ID/3`, …), so that a button pressed twice while one waits prints one.
    """
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM print_jobs WHERE id = ? OR id LIKE ? || '/%' ORDER BY created_at", [key, key]
    ).fetchall()
    if not rows:
        return False
    if not any(row["state"] in (WAITING, PRINTING) for row in rows):
        add(connection, f"{key}/{len(rows) + 1}", json.loads(rows[0]["ticket"]), now)
    return True


def get(connection: sqlite3.Connection, key: str) -> Job | None:
    """Return a job by its id."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM print_jobs WHERE id = ?", [key]).fetchone()
    return _job(row) if row else None


def counts(connection: sqlite3.Connection) -> dict[str, int]:
    """Return how many jobs are in each state that any is in."""
    rows = connection.execute("SELECT state, count(*) FROM print_jobs GROUP BY state").fetchall()
    return {str(row[0]): int(row[1]) for row in rows}


def _move(connection: sqlite3.Connection, key: str, way: tuple[str, str], reason: str | None, now: float) -> bool:
    before, after = way
    with write(connection):
        moved = connection.execute(
            "UPDATE print_jobs SET state = ?, reason = ?, updated_at = ? WHERE id = ? AND state = ?",
            [after, reason, now, key, before],
        )
        return moved.rowcount == 1


def _job(row: sqlite3.Row) -> Job:
    return Job(**{**dict(row), "ticket": json.loads(row["ticket"])})
