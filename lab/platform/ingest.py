# SPDX-License-Identifier: EUPL-1.2
"""Events into tables, inside the caller's transaction. Repeating it is safe: (stream, seq) is unique (R-103)."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from lab.platform import projections, store, wire
from lab.platform.contract import GAP, Event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.platform.store import Connection

_COLUMNS = "stream, seq, id, class, type, at, boot, monotonic, synchronised, data"


class Letter(NamedTuple):
    """What is kept of an invalid event; `stream` and `seq` are both set or both None."""

    device: int
    stream: int | None
    seq: int | None
    klass: str
    at: float
    reason: str
    body: str


def device_ids(connection: Connection, names: set[tuple[str, str]], now: float) -> dict[tuple[str, str], int]:
    """Return the row of each (site, device), made when first heard of; in PostgreSQL they are locked, in order."""
    rows = [(site, name, now) for site, name in sorted(names)]
    tail = "ON CONFLICT (site, name) DO UPDATE SET seen_at = excluded.seen_at RETURNING id, site, name"
    found = store.write_returning(connection, "devices", "site, name, seen_at", rows, tail)
    return {(row[1], row[2]): int(row[0]) for row in found}


def lock_devices(connection: Connection, wanted: set[int]) -> None:
    """Keep other consumers away from devices: their streams and leases, and the numbers of their replies, are ours."""
    marks = ", ".join(map(str, wanted)) or "NULL"
    rows = connection.execute(f"SELECT site, name, id FROM devices WHERE id IN ({marks})").fetchall()
    for _, _, device in sorted(map(tuple, rows)):  # by bytes, as `device_ids`; a database may order otherwise
        connection.execute("UPDATE devices SET replied = replied WHERE id = ?", [device])


def stream_id(connection: Connection, device: int, epoch: str) -> int:
    """Return the row of one epoch of a device, made when it is first heard of."""
    return stream_ids(connection, {(device, epoch)})[device, epoch]


def stream_ids(connection: Connection, lives: set[tuple[int, str]]) -> dict[tuple[int, str], int]:
    """Return the row of each (device, epoch), made when it is first heard of."""
    tail = "ON CONFLICT (device, epoch) DO UPDATE SET epoch = excluded.epoch RETURNING id, device, epoch"
    found = store.write_returning(connection, "streams", "device, epoch", sorted(lives), tail)
    return {(int(row[1]), row[2]): int(row[0]) for row in found}


def apply(connection: Connection, told: Sequence[tuple[int, Event]], now: float) -> set[int]:
    """Store valid events of any devices, each with its device, and what follows from them; return their streams.

    A handful of statements, however many messages they came in: one round trip for each is what bounds a database.
    """
    streams = stream_ids(connection, {(device, event.epoch) for device, event in told})
    placed = [(streams[device, event.epoch], event) for device, event in told]
    first: dict[tuple[int, int], tuple[int, Event]] = {}
    for device, event in _without_pruned(connection, streams, told):
        first.setdefault((streams[device, event.epoch], event.seq), (device, event))
    rows = [_row(stream, event) for (stream, _), (_, event) in first.items()]
    tail = "ON CONFLICT (stream, seq) DO NOTHING RETURNING stream, seq, type"
    new = store.write_returning(connection, "events", _COLUMNS, rows, tail)
    _count(connection, streams, placed, Counter((row[0], row[2]) for row in new))
    _declare(connection, [one for one in placed if one[1].type == GAP])
    # What came before has had its effect; a second one would bring back words that are forgotten since.
    fresh = {(row[0], row[1]) for row in new}
    told = [one for key, one in first.items() if key in fresh]
    groups: dict[str, list[tuple[int, Event]]] = defaultdict(list)
    for device, event in told:
        if event.known and event.type != GAP:
            groups[event.type].append((device, event))
    for name, group in groups.items():
        projections.apply(connection, name, group, now)
    _learn_clock(connection, told)
    return set(streams.values())


def _without_pruned(
    connection: Connection, streams: dict[tuple[int, str], int], told: Sequence[tuple[int, Event]]
) -> Sequence[tuple[int, Event]]:
    """Leave out what `retention` has deleted and comes again."""
    marks = ", ".join(map(str, streams.values()))
    rows = connection.execute(f"SELECT id, pruned FROM streams WHERE id IN ({marks}) AND pruned > 0").fetchall()
    pruned = {row[0]: row[1] for row in rows}
    return [(device, e) for device, e in told if e.seq > pruned.get(streams[device, e.epoch], 0)] if pruned else told


def _count(
    connection: Connection, streams: dict[tuple[int, str], int], placed: Sequence[tuple[int, Event]],
    new: Counter[tuple[int, str]],
) -> None:  # fmt: skip
    """Count what is new by type, and of each stream what is new and what came again."""
    tail = "ON CONFLICT (stream, type) DO UPDATE SET n = totals.n + excluded.n"
    store.write_rows(connection, "totals", "stream, type, n", [(*key, n) for key, n in sorted(new.items())], tail)
    fresh, came = Counter[int](), Counter(stream for stream, _ in placed)
    for (stream, _), n in new.items():
        fresh[stream] += n
    counted = [
        (device, epoch, fresh[stream], came[stream] - fresh[stream])
        for (device, epoch), stream in sorted(streams.items())
    ]
    tail = (
        "ON CONFLICT (device, epoch) DO UPDATE SET received = streams.received + excluded.received,"
        " duplicates = streams.duplicates + excluded.duplicates"
    )
    store.write_rows(connection, "streams", "device, epoch, received, duplicates", counted, tail)
    for stream in [stream for stream, n in came.items() if n > fresh[stream]]:
        _note_conflicts(connection, stream, [event for place, event in placed if place == stream])


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
    seqs = [event.seq for event in group]
    found = connection.execute(
        "SELECT seq, id FROM events WHERE stream = ? AND seq BETWEEN ? AND ?", [stream, min(seqs), max(seqs)]
    )
    held = {row[0]: row[1] for row in found.fetchall()}
    conflicts = sum(held.get(event.seq, event.id) != event.id for event in group)
    if conflicts:
        connection.execute("UPDATE streams SET conflicts = conflicts + ? WHERE id = ?", [conflicts, stream])


def _declare(connection: Connection, gaps: Sequence[tuple[int, Event]]) -> None:
    """Note what gap events declare as gone, for the ledger (R-302)."""
    rows = [
        (stream, event.seq, *(int(event.data[key]) for key in ("first", "last", "count")), event.data["reason"])
        for stream, event in gaps
    ]
    store.write_rows(connection, "gaps", "stream, seq, first, last, count, reason", rows, "ON CONFLICT DO NOTHING")


def _learn_clock(connection: Connection, told: Sequence[tuple[int, Event]]) -> None:
    """Keep one offset for each boot, from its latest event with a right clock (R-110)."""
    offsets = {(device, event.boot): event.at - event.monotonic for device, event in told if event.synchronised}
    rows = [(*boot, offset) for boot, offset in sorted(offsets.items())]
    tail = "ON CONFLICT (device, boot) DO UPDATE SET started = excluded.started"
    store.write_rows(connection, "boots", "device, boot, started", rows, tail)
