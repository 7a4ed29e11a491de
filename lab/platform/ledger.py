# SPDX-License-Identifier: EUPL-1.2
"""How far a stream can be acknowledged: the only module that moves `streams.acked`. Called inside a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.platform import store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.platform.store import Connection

_SETTLED = (
    "SELECT seq FROM events WHERE stream = :stream AND seq > :acked"
    " UNION ALL SELECT seq FROM dead_letters WHERE stream = :stream AND seq > :acked ORDER BY seq"
)


_MANY = 400  # streams in a statement
_LOOK = 2000
_STANDING = (
    "SELECT s.id, d.site, d.name, s.epoch, s.device, s.acked, s.oldest,"
    " EXISTS (SELECT 1 FROM gaps g WHERE g.stream = s.id AND g.last > s.acked)"
    " FROM streams s JOIN devices d ON d.id = s.device WHERE s.id IN ({marks}) ORDER BY s.id"
)
_NEXT = (
    "SELECT e.stream, e.seq FROM events e JOIN streams s ON s.id = e.stream"
    " WHERE s.id IN ({marks}) AND e.seq > s.acked AND e.seq <= s.acked + {look}"
    " UNION ALL SELECT l.stream, l.seq FROM dead_letters l JOIN streams s ON s.id = l.stream"
    " WHERE s.id IN ({marks}) AND l.seq > s.acked AND l.seq <= s.acked + {look} ORDER BY 1, 2"
)


def advance_all(connection: Connection, streams: Sequence[int]) -> list[tuple[str, str, str, int]]:
    """Move the acknowledgements of many streams as `advance` does; return site, device, epoch and where each stands.

    Three statements for all that lack nothing; those with a hole to pass, or a long way to go, are looked at alone.
    """
    told = []
    for start in range(0, len(streams), _MANY):
        some = list(streams[start : start + _MANY])
        marks = ", ".join("?" * len(some))
        standing = connection.execute(_STANDING.format(marks=marks), some).fetchall()
        reached = {row[0]: row[5] for row in standing}
        for stream, seq in connection.execute(_NEXT.format(marks=marks, look=_LOOK), some + some).fetchall():
            if seq == reached[stream] + 1:
                reached[stream] = seq
        moved = []
        for stream, site, name, epoch, device, acked, oldest, gapped in standing:
            seq = reached[stream]
            if gapped or oldest > seq + 1 or seq >= acked + _LOOK:
                seq = advance(connection, stream)
            elif seq > acked:
                moved.append((device, epoch, seq))
            told.append((site, name, epoch, seq))
        tail = "ON CONFLICT (device, epoch) DO UPDATE SET acked = excluded.acked"
        store.write_rows(connection, "streams", "device, epoch, acked", moved, tail)
    return told


def advance(connection: Connection, stream: int) -> int:
    """Move the acknowledgement over all that is committed, set aside or declared gone (R-202); return it.

    Costs one step for each sequence that it passes, so a stream costs its length once, whatever the order of arrival.
    """
    acked, oldest = connection.execute("SELECT acked, oldest FROM streams WHERE id = ?", [stream]).fetchone()
    reached = acked
    for (seq,) in connection.execute(_SETTLED, {"stream": stream, "acked": acked}):
        if seq > reached + 1:
            reached = _pass_holes(connection, stream, oldest, reached, seq)
        if seq > reached + 1:
            break
        reached = max(reached, seq)
    else:
        reached = _pass_holes(connection, stream, oldest, reached, None)
    if reached != acked:
        connection.execute("UPDATE streams SET acked = ? WHERE id = ?", [reached, stream])
    return int(reached)


def _pass_holes(connection: Connection, stream: int, oldest: int, reached: int, until: int | None) -> int:
    """Pass what was declared gone, up to the next sequence that is here (`until`), and note it as a hole."""
    while until is None or reached + 1 < until:
        first = reached + 1
        last, declared = _gone(connection, stream, oldest, first)
        if last < first:
            break
        if until is not None:
            last = min(last, until - 1)
        connection.execute("INSERT INTO holes VALUES (?, ?, ?, ?)", [stream, first, last, int(declared)])
        reached = last
    return reached


def _gone(connection: Connection, stream: int, oldest: int, first: int) -> tuple[int, bool]:
    """Return up to where `first` and its successors are gone, and whether by a gap (R-302) or by the birth (R-303)."""
    declared = connection.execute(
        "SELECT max(last) FROM gaps WHERE stream = ? AND first <= ? AND last >= ?", [stream, first, first]
    ).fetchone()[0]
    if declared is not None:
        return declared, True
    following = connection.execute(
        "SELECT min(first) FROM gaps WHERE stream = ? AND first > ?", [stream, first]
    ).fetchone()[0]
    return min(oldest, following or oldest) - 1, False
