# SPDX-License-Identifier: EUPL-1.2
"""The roll-call of an evacuation: who is inside by what every kiosk knows, and who was found at the assembly point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import uuid6

from edge_core.store import visits
from edge_core.store.database import write
from edge_core.store.vouchers import normal

if TYPE_CHECKING:
    import sqlite3


@dataclass(frozen=True)
class Entry:
    """One ticket of somebody who is inside, and whether it was found."""

    visit: visits.Visit
    ticket: visits.Ticket
    found: bool


def running(connection: sqlite3.Connection) -> str | None:
    """Return the roll-call that goes on, of whichever kiosk."""
    row = connection.execute(
        "SELECT id FROM roll_calls WHERE ended_at IS NULL ORDER BY started_at, id LIMIT 1"
    ).fetchone()
    return str(row[0]) if row else None


def start(connection: sqlite3.Connection, now: float) -> str:
    """Begin a roll-call, or return the one that goes on."""
    with write(connection):
        going = running(connection)
        if going:
            return going
        key = str(uuid6.uuid7())
        connection.execute("INSERT INTO roll_calls (id, started_at) VALUES (?, ?)", [key, now])
        return key


def end(connection: sqlite3.Connection, now: float) -> None:
    """End every roll-call that goes on."""
    with write(connection):
        connection.execute("UPDATE roll_calls SET ended_at = ? WHERE ended_at IS NULL", [now])


def tick(connection: sqlite3.Connection, code: str, now: float, *, found: bool = True) -> bool:
    """Note that a ticket's people stand at the assembly point, or take that back; False where it isn't known."""
    with write(connection):
        key = running(connection)
        ticket = visits.ticket(connection, normal(code))
        if key is None or ticket is None:
            return False
        # What somebody does now is later than what is there, also where another kiosk's clock is ahead.
        connection.execute(
            "INSERT INTO roll_ticks (roll_call, ticket, at, found) VALUES (?, ?, ?, ?) ON CONFLICT (roll_call, ticket)"
            " DO UPDATE SET found = excluded.found, at = max(excluded.at, roll_ticks.at + 0.001)",
            [key, ticket.code, now, found],
        )
        return True


def inside(connection: sqlite3.Connection) -> dict[str, list[Entry]]:
    """Return who is inside, by company; each entry is a ticket that was not given back."""
    key = running(connection) or ""
    found = {row[0] for row in connection.execute("SELECT ticket FROM roll_ticks WHERE roll_call = ? AND found", [key])}
    entries: dict[str, list[Entry]] = {}
    for visit in sorted(visits.of_state(connection, visits.ARRIVED, visits.HERE), key=lambda each: each.name):
        for ticket in visits.tickets_of(connection, visit.id):
            if ticket.left_at is None:
                entries.setdefault(visit.company, []).append(Entry(visit, ticket, ticket.code in found))
    return entries
