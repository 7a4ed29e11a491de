# SPDX-License-Identifier: EUPL-1.2
"""Events into tables, inside the caller's transaction. Repeating it is safe: (stream, seq) is unique (R-103)."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from lab.platform import projections
from lab.platform.contract import GAP, Event

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

_INSERT = (
    "INSERT INTO events (stream, seq, id, class, type, at, boot, monotonic, synchronised, data)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)


class Letter(NamedTuple):
    """What is kept of an invalid event; `stream` and `seq` are both set or both None."""

    device: int
    stream: int | None
    seq: int | None
    klass: str
    at: float
    reason: str
    body: str


def device_id(connection: sqlite3.Connection, site: str, name: str, now: float) -> int:
    """Return the device's row, made when it is first heard of."""
    row = connection.execute(
        "INSERT INTO devices (site, name, seen_at) VALUES (?, ?, ?)"
        " ON CONFLICT (site, name) DO UPDATE SET seen_at = excluded.seen_at RETURNING id",
        [site, name, now],
    ).fetchone()
    return int(row[0])


def stream_id(connection: sqlite3.Connection, device: int, epoch: str) -> int:
    """Return the row of one epoch of a device, made when it is first heard of."""
    select = "SELECT id FROM streams WHERE device = ? AND epoch = ?"
    row = connection.execute(select, [device, epoch]).fetchone()
    if row is None:
        row = connection.execute(
            "INSERT INTO streams (device, epoch) VALUES (?, ?) RETURNING id", [device, epoch]
        ).fetchone()
    return int(row[0])


def apply(connection: sqlite3.Connection, device: int, stream: int, events: Sequence[Event]) -> None:
    """Store valid events of one stream and what follows from them."""
    groups: dict[tuple[str, bool], list[Event]] = defaultdict(list)
    for event in events:
        groups[event.type, event.known].append(event)
    for (name, known), group in groups.items():
        new = connection.executemany(_INSERT, [_row(stream, event) for event in group]).rowcount
        connection.execute(
            "INSERT INTO totals VALUES (?, ?) ON CONFLICT (type) DO UPDATE SET n = n + excluded.n", [name, new]
        )
        connection.execute(
            "UPDATE streams SET received = received + ?, duplicates = duplicates + ? WHERE id = ?",
            [new, len(group) - new, stream],
        )
        if new < len(group):
            _note_conflicts(connection, stream, group)
        if name == GAP:
            _declare(connection, stream, group)
        elif known:
            projections.apply(connection, device, name, group)
    _learn_clock(connection, device, events)


def set_aside(connection: sqlite3.Connection, letter: Letter) -> None:
    """Keep an invalid event with its reason; the acknowledgement passes over it where it is numbered (R-106)."""
    target = "(device, body) WHERE seq IS NULL" if letter.seq is None else "(stream, seq) WHERE seq IS NOT NULL"
    connection.execute(
        "INSERT INTO dead_letters (device, stream, seq, class, at, reason, body) VALUES (?, ?, ?, ?, ?, ?, ?)"
        f" ON CONFLICT {target} DO UPDATE SET times = times + 1",
        letter,
    )


def _row(stream: int, event: Event) -> tuple[Any, ...]:
    data = json.dumps(event.data, separators=(",", ":"))
    return (
        stream, event.seq, event.id, event.klass, event.type, event.at, event.boot, event.monotonic,
        event.synchronised, data,
    )  # fmt: skip


def _note_conflicts(connection: sqlite3.Connection, stream: int, group: Sequence[Event]) -> None:
    """Count numbers that came with another id than the one that was kept (R-111)."""
    held = "SELECT 1 FROM events WHERE stream = ? AND seq = ? AND id <> ?"
    conflicts = sum(connection.execute(held, [stream, event.seq, event.id]).fetchone() is not None for event in group)
    if conflicts:
        connection.execute("UPDATE streams SET conflicts = conflicts + ? WHERE id = ?", [conflicts, stream])


def _declare(connection: sqlite3.Connection, stream: int, group: Sequence[Event]) -> None:
    """Note what gap events declare as gone, for the ledger (R-302)."""
    connection.executemany(
        "INSERT INTO gaps VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [
            (stream, event.seq, *(int(event.data[key]) for key in ("first", "last", "count")), event.data["reason"])
            for event in group
        ],
    )


def _learn_clock(connection: sqlite3.Connection, device: int, events: Sequence[Event]) -> None:
    """Keep one offset for each boot, from its latest event with a right clock (R-110)."""
    offsets = {event.boot: event.at - event.monotonic for event in events if event.synchronised}
    connection.executemany(
        "INSERT INTO boots VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET offset = excluded.offset",
        [(device, boot, offset) for boot, offset in offsets.items()],
    )
