# SPDX-License-Identifier: EUPL-1.2
"""Forgets what nobody needs any more, by the table in `kept`; and empties the write-ahead log of what was forgotten."""

from __future__ import annotations

import sqlite3

from edge_core.store import erasure, kept
from edge_core.store.database import empty_log, write

_EVERY = 600.0  # seconds between two calls that look
_MOST = 500
"""Rows of a kind that one call removes, so that the lock is held for a moment only."""

_SOON = 2.0  # seconds until the next call where more may be left
MOST_SESSIONS = 1_000_000
"""Sessions that are kept, of some 200 bytes each: who logs in and out all day long must not fill the outbox's room."""

# A voucher's sessions stay: what it has left is counted by them. The highest revision stays: others count from there.
_SESSIONS = (
    "SELECT id FROM grants WHERE mac = '' AND holder = '' AND {}"
    " AND revision < (SELECT max(revision) FROM grants) LIMIT ?"
)
_OLD, _TOO_MANY = _SESSIONS.format("ended_at < ?"), _SESSIONS.format("id <= (SELECT max(id) FROM grants) - ?")


def forget_old(connection: sqlite3.Connection, now: float) -> int:
    """Delete some of what is too old at `now` (epoch seconds); return how many rows, 0 where nothing is left to do.

    Nothing that the platform has not acknowledged is deleted. Raises StoreError where it can't be written.
    """
    with write(connection):
        count = sum(connection.execute(row.purge, [now - (row.seconds or 0.0), _MOST]).rowcount for row in kept.PURGED)
        before = now - (kept.SESSIONS.seconds or 0.0)
        rows = connection.execute(_OLD, [before, _MOST]).fetchall()
        rows = rows or connection.execute(_TOO_MANY, [MOST_SESSIONS, _MOST]).fetchall()
        old = [(row[0],) for row in rows]
        connection.executemany("DELETE FROM usage WHERE grant_id = ?", old)
        connection.executemany("DELETE FROM grants WHERE id = ?", old)
        return count + len(old)


class Forgetting:
    """Forgets from time to time: `running` is a monotonic clock, `now` a wall clock that can be believed, or None."""

    def __init__(self, connection: sqlite3.Connection, running: float, visits_kept: float = 90 * kept.DAY) -> None:
        """`visits_kept` is how many seconds after its last change a visit is kept."""
        self._connection = connection
        self._visits_kept = visits_kept
        self._due = running + _EVERY
        self._untidy = False

    def turn(self, running: float, now: float | None) -> int:
        """Forget some where it is due; return how many rows. Raises as `forget_old`."""
        if running < self._due or now is None:
            return 0
        self._due = running + _EVERY
        done = forget_old(self._connection, now) + erasure.erase(self._connection, now - self._visits_kept, now)
        self._untidy = self._untidy or done > 0
        if done >= _MOST or not self._tidy():
            self._due = running + _SOON
        return done

    def _tidy(self) -> bool:
        """Empty the log of what was forgotten: until then the database file itself still holds it. False: later."""
        if self._untidy:
            try:
                self._untidy = not empty_log(self._connection)
            except sqlite3.Error:
                return False
        return not self._untidy
