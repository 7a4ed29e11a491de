# SPDX-License-Identifier: EUPL-1.2
"""Keeps the outbox within its room: what may be lost goes first and is declared; what was promised to a person stays.

Orders, visits and the declarations themselves are never dropped. Usage is rolled up before it is dropped: one event
keeps the sums of the sessions that go. The last part of the room is for promises alone: where even that is used up, a
page must refuse.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_core import events
from edge_core.errors import StoreError
from edge_core.store import outbox

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

ROOM = 1536 << 20  # bytes of edge.db: a week of two million events is 820 MB
SHARE_OF_DISK = 0.25  # the rest is for what the system, content and releases need
SHARE = 0.75  # of the room, for what may be dropped; the rest is kept for promises
DROPPABLE = ("usage", "presence")
_AT_ONCE = 5000  # rows in one transaction, so that a page never waits for long
_MOST_RUNS = 200  # declarations in one transaction


@dataclass(frozen=True)
class Room:
    """How much of the room is used, in bytes."""

    used: int
    room: int

    @property
    def is_tight(self) -> bool:
        """Tell whether what may be dropped has to go."""
        return self.used > self.room * SHARE

    @property
    def is_full(self) -> bool:
        """Tell whether even a promise can't be kept any more."""
        return self.used > self.room


def measure(connection: sqlite3.Connection, room: int | None = None) -> Room:
    """Return what the database really holds: its pages without the free ones; of all its room, where none is given."""
    size, pages, free = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_size", "page_count", "freelist_count")
    )
    return Room((pages - free) * size, _room(connection) if room is None else room)


def _room(connection: sqlite3.Connection) -> int:
    """Return the bytes that the database may take: `ROOM`, or its share of a small disk."""
    path = connection.execute("PRAGMA database_list").fetchone()[2]
    try:
        disk = os.statvfs(path)
    except OSError:  # a database in memory
        return ROOM
    return min(ROOM, int(disk.f_blocks * disk.f_frsize * SHARE_OF_DISK))


def require_room(connection: sqlite3.Connection, room: int | None = None) -> None:
    """Refuse a promise for which there is no room. Raises StoreError: the page says so, nothing is recorded."""
    if measure(connection, room).is_full:
        raise StoreError(
            "The store is full: this was not recorded.", remedy="Restore the uplink: what waits leaves, and makes room."
        )


class Trimming:
    """Trims at each turn; while what waits is leaving, only where not even a promise has room."""

    def __init__(self) -> None:
        """Begin with nothing acknowledged."""
        self._acked = 0

    def turn(self, connection: sqlite3.Connection, acked: int, now: float, room: int | None = None) -> int:
        """Trim where it has to be; `acked` is how many events the platform has acknowledged to this process."""
        leaving, self._acked = acked > self._acked, acked
        return 0 if leaving and not measure(connection, room).is_full else trim(connection, now, room)


def trim(connection: sqlite3.Connection, now: float, room: int | None = None) -> int:
    """Drop the oldest of what may be dropped where room is tight, declared and summed up; return how many.

    One transaction of its own; called again and again until there is room.
    """
    if not measure(connection, room).is_tight:
        return 0
    connection.execute("BEGIN IMMEDIATE")
    try:
        dropped = _drop_oldest(connection, now)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return dropped


def _drop_oldest(connection: sqlite3.Connection, now: float) -> int:
    marks = ", ".join("?" * len(DROPPABLE))
    # As bytes: a text that a bad disk has damaged can't be read otherwise, and it must go like the others.
    rows = connection.execute(
        "SELECT seq, CAST(type AS BLOB), CAST(body AS BLOB) FROM outbox"
        f" WHERE class IN ({marks}) AND type <> ? ORDER BY seq LIMIT ?",
        [*DROPPABLE, events.UsageRollup.type, _AT_ONCE],
    ).fetchall()
    chosen = runs(row[0] for row in rows)[:_MOST_RUNS]
    if not chosen:
        return 0
    last = chosen[-1][1]
    rollup = rolled_up([(row[1], row[2]) for row in rows if row[0] <= last])
    dropped = 0
    for first, end in chosen:
        count = outbox.drop(connection, first, end)
        dropped += count
        outbox.append(connection, events.Gap(first=first, last=end, count=count, reason="budget"), now)
    if rollup is not None:
        outbox.append(connection, rollup, now)
    return dropped


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Return rising numbers as spans without holes: (first, last)."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def rolled_up(rows: Iterable[tuple[bytes, bytes]]) -> events.UsageRollup | None:
    """Return the sums of the sessions that ended among these (type, body); None where none did.

    What is damaged counts nothing.
    """
    kept = events.SessionEnded.type.encode()
    ended = [data for kind, body in rows if kind == kept and (data := _data(body))]
    if not ended:
        return None
    sums = {
        name: sum(_count(data.get(name)) for data in ended)
        for name in ("duration", "up_bytes", "up_packets", "down_bytes", "down_packets")
    }
    return events.UsageRollup(sessions=len(ended), **sums)


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def _data(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)["data"]
    except (ValueError, KeyError, TypeError):
        return {}
    return data if isinstance(data, dict) else {}
