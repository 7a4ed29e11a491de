# SPDX-License-Identifier: EUPL-1.2
"""Who is asked next while a visitor waits, and what a night does to visits that nobody ended.

Called from the visitor's page and from `sync`, as often as one likes: what is due is done once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_core.store import visits
from edge_core.store.database import write

if TYPE_CHECKING:
    import sqlite3

    from edge_core.store.visits import Visit


@dataclass(frozen=True)
class Patience:
    """Seconds that the host has to answer, then the company's contact; and that the platform has to take the news."""

    host: float = 120.0
    company: float = 120.0
    platform: float = 20.0


def next_step(visit: Visit, *, told: bool, now: float, patience: Patience) -> tuple[str, str] | None:
    """Return whom to ask now and why: host → company's contact → desk; None where there is no need. Pure.

    A platform that has not taken the news can't ask anybody: then it is the desk's turn at once.
    """
    if visit.state != visits.ARRIVED or visit.answer or visit.asked == visits.DESK or visit.asked_at is None:
        return None
    waited = now - visit.asked_at
    if not told and waited >= patience.platform:
        return visits.DESK, "unreachable"
    if visit.asked == visits.HOST and waited >= patience.host:
        return visits.COMPANY, "silence"
    if visit.asked == visits.COMPANY and waited >= patience.company:
        return visits.DESK, "silence"
    return None


def turn(connection: sqlite3.Connection, place: str, now: float, patience: Patience) -> int:
    """Ask whoever is due for the visits that arrived at this device; return how many were asked."""
    rows = connection.execute(
        "SELECT id FROM visits WHERE state = ? AND place = ? AND answer = '' AND asked <> ?",
        [visits.ARRIVED, place, visits.DESK],
    ).fetchall()
    return sum(_ask_if_due(connection, row[0], now, patience) for row in rows)


def close_night(connection: sqlite3.Connection, place: str, before: float, now: float) -> int:
    """End, with the note "night", this device's visits that arrived before a moment and that nobody ended."""
    rows = connection.execute(
        "SELECT id FROM visits WHERE state IN (?, ?) AND place = ? AND arrived_at < ?",
        [visits.ARRIVED, visits.HERE, place, before],
    ).fetchall()
    return sum(visits.leave(connection, row[0], "night", now) for row in rows)


def _ask_if_due(connection: sqlite3.Connection, key: str, now: float, patience: Patience) -> bool:
    """Judge again inside the transaction: another process may have been faster."""
    found = visits.get(connection, key)
    if found is None or next_step(found, told=visits.told(connection, key), now=now, patience=patience) is None:
        return False
    with write(connection):
        found = visits.get(connection, key)
        step = found and next_step(found, told=visits.told(connection, key), now=now, patience=patience)
        if not step:
            return False
        visits.ask(connection, key, *step, now)
    return True
