# SPDX-License-Identifier: EUPL-1.2
"""The windows of presence as they were told, kept on the device so that it can publish them by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edge_core import clock
from edge_core.store import outbox

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from edge_core.events import PresenceWindow

_COLUMNS = "zone, access_point, start, seconds, observed, doubt, synchronised, associated, online, arrivals, departures"
_KEEP = (
    f"INSERT INTO series ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (zone, access_point, start) DO UPDATE SET repeats = repeats + 1"
)
_BETTER = (
    "UPDATE series SET seconds = ?4, observed = ?5, doubt = ?6, synchronised = ?7, associated = ?8, online = ?9,"
    " arrivals = ?10, departures = ?11 WHERE zone = ?1 AND access_point = ?2 AND start = ?3"
    " AND (synchronised, observed) < (?7, ?5)"
)


class Window(NamedTuple):
    """One row: `start` in seconds since 1970, `access_point` "" for a whole zone, None where a count wasn't told."""

    zone: str
    access_point: str
    start: int
    seconds: int
    observed: int
    doubt: str | None
    synchronised: bool
    associated: int | None
    online: int | None
    arrivals: int | None
    departures: int | None
    repeats: int = 0


def record(connection: sqlite3.Connection, window: PresenceWindow, now: float) -> None:
    """Tell a window and keep it, inside the caller's transaction: both, or after a power cut neither.

    The same window comes twice where the clock was set back: the one that was watched longer stands, and the row says
    how often it came again.
    """
    outbox.append(connection, window, now)
    row = [
        *(window.zone, window.access_point or "", window.start, window.seconds, window.observed, window.doubt),
        *(clock.synchronised(), window.associated, window.online, window.arrivals, window.departures),
    ]
    connection.execute(_KEEP, row)
    connection.execute(_BETTER, row)


def read(connection: sqlite3.Connection, since: int, until: int) -> Iterator[Window]:
    """Yield the windows that start at `since` or later and before `until`, by zone, access point and time."""
    rows = connection.execute(
        f"SELECT {_COLUMNS}, repeats FROM series WHERE start >= ? AND start < ? ORDER BY zone, access_point, start",
        [since, until],
    )
    for row in rows:
        yield Window(*row)
