# SPDX-License-Identifier: EUPL-1.2
"""Events into tables, inside the caller's transaction. Repeating it is safe: (stream, seq) is unique (R-103)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from lab.platform import projections, store, wire
from lab.platform.contract import GAP, Event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.platform.store import Connection

_COLUMNS = "stream, seq, id, class, type, at, boot, monotonic, synchronised, data"
_ONCE = "ON CONFLICT (stream, seq) DO NOTHING"


class Letter(NamedTuple):
    """What is kept of an invalid event; `stream` and `seq` are both set or both None."""

    device: int
    stream: int | None
    seq: int | None
    klass: str
    at: float
    reason: str
    body: str


def device_id(connection: Connection, site: str, name: str, now: float) -> int:
    """Return the device's row, made when it is first heard of."""
    row = connection.execute(
        "INSERT INTO devices (site, name, seen_at) VALUES (?, ?, ?)"
        " ON CONFLICT (site, name) DO UPDATE SET seen_at = excluded.seen_at RETURNING id",
        [site, name, now],
    ).fetchone()
    return int(row[0])


def stream_id(connection: Connection, device: int, epoch: str) -> int:
    """Return the row of one epoch of a device, made when it is first heard of."""
    select = "SELECT id FROM streams WHERE device = ? AND epoch = ?"
    row = connection.execute(select, [device, epoch]).fetchone()
    if row is None:
        row = connection.execute(
            "INSERT INTO streams (device, epoch) VALUES (?, ?) RETURNING id", [device, epoch]
        ).fetchone()
    return int(row[0])


def apply(connection: Connection, device: int, stream: int, events: Sequence[Event]) -> None:
    """Store valid events of one stream and what follows from them."""
    groups: dict[tuple[str, bool], list[Event]] = defaultdict(list)
    for event in events:
        groups[event.type, event.known].append(event)
    for (name, known), group in groups.items():
        new = store.write_rows(connection, "events", _COLUMNS, [_row(stream, event) for event in group], _ONCE)
        connection.execute(
            "INSERT INTO totals VALUES (?, ?, ?) ON CONFLICT (stream, type) DO UPDATE SET n = totals.n + excluded.n",
            [stream, name, new],
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


def set_aside(connection: Connection, letter: Letter) -> None:
    """Keep an invalid event with its reason; the acknowledgement passes over it where it is numbered (R-106)."""
    target = "(device, body) WHERE seq IS NULL" if letter.seq is None else "(stream, seq) WHERE seq IS NOT NULL"
    connection.execute(
        "INSERT INTO dead_letters (device, stream, seq, class, at, reason, body) VALUES (?, ?, ?, ?, ?, ?, ?)"
        f" ON CONFLICT {target} DO UPDATE SET times = dead_letters.times + 1",
        letter,
    )


def _row(stream: int, event: Event) -> tuple[Any, ...]:
    return (
        stream, event.seq, event.id, event.klass, event.type, event.at, event.boot, event.monotonic,
        int(event.synchronised), wire.written(event.data),
    )  # fmt: skip


def _note_conflicts(connection: Connection, stream: int, group: Sequence[Event]) -> None:
    """Count numbers that came with another id than the one that was kept (R-111)."""
    held = "SELECT 1 FROM events WHERE stream = ? AND seq = ? AND id <> ?"
    conflicts = sum(connection.execute(held, [stream, event.seq, event.id]).fetchone() is not None for event in group)
    if conflicts:
        connection.execute("UPDATE streams SET conflicts = conflicts + ? WHERE id = ?", [conflicts, stream])


def _declare(connection: Connection, stream: int, group: Sequence[Event]) -> None:
    """Note what gap events declare as gone, for the ledger (R-302)."""
    rows = [
        (stream, event.seq, *(int(event.data[key]) for key in ("first", "last", "count")), event.data["reason"])
        for event in group
    ]
    store.write_rows(connection, "gaps", "stream, seq, first, last, count, reason", rows, "ON CONFLICT DO NOTHING")


def _learn_clock(connection: Connection, device: int, events: Sequence[Event]) -> None:
    """Keep one offset for each boot, from its latest event with a right clock (R-110)."""
    offsets = {event.boot: event.at - event.monotonic for event in events if event.synchronised}
    rows = [(device, boot, offset) for boot, offset in offsets.items()]
    tail = "ON CONFLICT (device, boot) DO UPDATE SET started = excluded.started"
    store.write_rows(connection, "boots", "device, boot, started", rows, tail)
