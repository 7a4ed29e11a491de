# SPDX-License-Identifier: EUPL-1.2
"""What kiosks of one site tell each other of visits, and how what comes is joined to what is here.

A visit's further state wins, then its newer version; tickets and ticks are joined. So the order in which kiosks hear of
each other, and how often, changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_core.store import visits
from edge_core.store.database import write

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

_NAMES = tuple(visits.COLUMNS.split(", "))
_TOLD = ("code", "visit", "people", "wifi", "left_at")
MOST = 200
"""Visits and tickets in one message, which must stay under 64 KiB."""


def changed(connection: sqlite3.Connection, since: float) -> list[dict[str, Any]]:
    """Return the visits that changed at or after a moment, each with its tickets, as JSON has them."""
    rows = connection.execute(
        f"SELECT {visits.COLUMNS} FROM visits WHERE updated_at >= ? ORDER BY updated_at LIMIT 2000", [since]
    ).fetchall()
    return [{**dict(row), "tickets": _tickets(connection, row["id"])} for row in rows]


def parts(told: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Divide visits into messages of at most `MOST` visits and tickets; at least one part, which may be empty."""
    found: list[list[dict[str, Any]]] = [[]]
    weight = 0
    for each in told:
        weight += 1 + len(each["tickets"])
        if weight > MOST and found[-1]:
            found.append([])
            weight = 1 + len(each["tickets"])
        found[-1].append(each)
    return found


def roll_call(connection: sqlite3.Connection, since: float) -> dict[str, Any]:
    """Return the roll-calls since a moment, with who was found, and of whom that was taken back."""
    calls = connection.execute("SELECT * FROM roll_calls WHERE started_at >= ?", [since]).fetchall()
    ticks = connection.execute(
        "SELECT * FROM roll_ticks WHERE roll_call IN (SELECT id FROM roll_calls WHERE started_at >= ?)", [since]
    ).fetchall()
    told: dict[str, Any] = {"calls": [dict(row) for row in calls], "ticks": [], "unticks": []}
    for row in ticks:  # apart: a release that knows no unticks takes none for a tick
        told["ticks" if row["found"] else "unticks"].append({name: row[name] for name in ("roll_call", "ticket", "at")})
    return told


def join(connection: sqlite3.Connection, told: Sequence[Mapping[str, Any]], rolls: Mapping[str, Any]) -> int:
    """Join what another kiosk tells, in one transaction; return how many visits moved.

    It comes from a device that holds the site's key. Raises KeyError, TypeError or sqlite3.Error where it is nonsense.
    """
    with write(connection):
        moved = sum(_join_visit(connection, each) for each in told)
        for call in rolls["calls"]:
            connection.execute(
                "INSERT INTO roll_calls (id, started_at, ended_at) VALUES (?, ?, ?) ON CONFLICT (id)"
                " DO UPDATE SET ended_at = coalesce(roll_calls.ended_at, excluded.ended_at)",
                [call["id"], call["started_at"], call["ended_at"]],
            )
        for found, ticks in ((True, rolls["ticks"]), (False, rolls.get("unticks", []))):
            # The later word holds; of two at once the one that has somebody looked for.
            connection.executemany(
                "INSERT INTO roll_ticks (roll_call, ticket, at, found) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (roll_call, ticket) DO UPDATE SET found = excluded.found, at = excluded.at"
                " WHERE excluded.at > roll_ticks.at"
                " OR (excluded.at = roll_ticks.at AND excluded.found < roll_ticks.found)",
                [(tick["roll_call"], tick["ticket"], tick["at"], found) for tick in ticks],
            )
        return moved


def _join_visit(connection: sqlite3.Connection, told: Mapping[str, Any]) -> bool:
    here = visits.get(connection, told["id"])
    rank = (visits.STATES.index(told["state"]), told["version"])
    further = here is None or rank > (visits.STATES.index(here.state), here.version)
    if further:
        marks = ", ".join("?" * len(_NAMES))
        changes = ", ".join(f"{name} = excluded.{name}" for name in _NAMES[1:])
        connection.execute(
            f"INSERT INTO visits ({visits.COLUMNS}) VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {changes}",
            [told[name] for name in _NAMES],
        )
    for ticket in told["tickets"]:
        connection.execute(
            "INSERT INTO visit_tickets (code, visit, people, wifi, left_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (code)"
            " DO UPDATE SET left_at = coalesce(visit_tickets.left_at, excluded.left_at)",
            [ticket[name] if name != "visit" else told["id"] for name in _TOLD],
        )
    return further


def _tickets(connection: sqlite3.Connection, key: str) -> list[dict[str, Any]]:
    rows = connection.execute("SELECT * FROM visit_tickets WHERE visit = ?", [key]).fetchall()
    return [dict(row) for row in rows]
