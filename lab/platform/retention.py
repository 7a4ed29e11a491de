# SPDX-License-Identifier: EUPL-1.2
"""Old events go, a small batch at a time: the only module that deletes events. What they told stays in the projections.

Old is what arrived long ago: each day's last number is noted, because devices' clocks may say anything. Only what is
acknowledged goes, and each stream remembers up to where: what comes again from there is a duplicate (R-103).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.platform import ingest, store

if TYPE_CHECKING:
    from lab.platform.store import Connection

DAY = 86400.0
_BATCH = 2000
# The last of all stays, so that SQLite never gives its number to a new one; what fills a hole, so that it is never told
# as lost (`report`); and the word that tells which devices are kiosks (`visits`).
_OLD = """
SELECT e.n, e.seq, s.id, s.device FROM events e JOIN streams s ON s.id = e.stream
WHERE e.n <= :mark AND e.n < (SELECT max(n) FROM events) AND e.seq <= s.acked
AND e.type <> 'eu.parvis.health.up.v1'
AND NOT EXISTS (SELECT 1 FROM holes h WHERE h.stream = s.id AND e.seq BETWEEN h.first AND h.last)
ORDER BY e.n LIMIT :most
"""


def prune(connection: Connection, now: float, days: int) -> int:
    """Delete some of what arrived before this day less `days`, in a transaction of its own; return how many.

    To be called again and again: each call deletes so few that nobody waits for it.
    """
    today = int(now // DAY)
    with store.transaction(connection):
        _note(connection, today)
        rows = connection.execute(_OLD, {"mark": _mark(connection, today - days), "most": _BATCH}).fetchall()
        if not rows:
            return 0
        ingest.lock_devices(connection, {row[3] for row in rows})
        reached: dict[int, int] = {}
        for _, seq, stream, _ in rows:
            reached[stream] = max(seq, reached.get(stream, 0))
        for stream, seq in sorted(reached.items()):
            connection.execute("UPDATE streams SET pruned = ? WHERE id = ? AND pruned < ?", [seq, stream, seq])
        marks = ", ".join("?" * len(rows))
        return int(connection.execute(f"DELETE FROM events WHERE n IN ({marks})", [row[0] for row in rows]).rowcount)


def _note(connection: Connection, today: int) -> None:
    """Note once a day which number was the last before it."""
    connection.execute(
        "INSERT INTO arrivals (day, n) SELECT ?, coalesce(max(n), 0) FROM events WHERE true ON CONFLICT DO NOTHING",
        [today],
    )


def _mark(connection: Connection, day: int) -> int:
    """Return the last number that arrived before `day`; earlier days need not be remembered."""
    noted = connection.execute("SELECT max(day), coalesce(max(n), 0) FROM arrivals WHERE day <= ?", [day]).fetchone()
    connection.execute("DELETE FROM arrivals WHERE day < ?", [noted[0] or 0])
    return int(noted[1])
