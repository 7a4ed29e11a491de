# SPDX-License-Identifier: EUPL-1.2
"""How far a stream can be acknowledged: the only module that moves `streams.acked`. Called inside a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.platform.store import Connection

_SETTLED = (
    "SELECT seq FROM events WHERE stream = :stream AND seq > :acked"
    " UNION ALL SELECT seq FROM dead_letters WHERE stream = :stream AND seq > :acked ORDER BY seq"
)


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
