# SPDX-License-Identifier: EUPL-1.2
"""Keeps the time that sessions have left when somebody sets the wall clock: a Pi boots in the past until NTP answers.

Grants say when they end by the wall clock, and so do the leases that the other gateway of a pair told. What a guest was
given is a length of time, which the device's own running clock measures: when the two clocks part, grants and leases
are moved by as much. After a reboot with a clock that is behind where it was, they go on where they were.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from edge_core import clock, logs
from edge_core.errors import StoreError
from edge_core.store import followed, site_leases
from edge_core.store.database import write

if TYPE_CHECKING:
    import sqlite3

_log = logs.get(__name__)
_KEY = "clock"
_STEP = 2.0
"""Seconds by which the clocks may part before it is called a step; NTP slews by less in any second."""
_NOTE_SECONDS = 300.0


class Note(NamedTuple):
    """What was last seen: the boot, wall time minus the boot's running time, and wall time, in seconds."""

    boot: str
    offset: float
    wall: float


def step(note: Note | None, boot: str, now: float, running: float) -> float:
    """Return by how many seconds the wall clock was set since `note`; 0 where it just went on."""
    if note is None:
        return 0.0
    moved = now - running - note.offset if note.boot == boot else min(0.0, now - note.wall)
    return moved if abs(moved) > _STEP else 0.0


class Timekeeper:
    """The note in the store's `meta`, and what was seen since it was written."""

    def __init__(self, store: sqlite3.Connection) -> None:
        """Read the note."""
        self._store = store
        self._note = _read(store)
        self._known = self._newest()
        self._due = 0.0

    def settle(self) -> float:
        """Move the grants if the clock was set since the last call; return by how many seconds it was.

        Raises StoreError where they can't be moved: until they are, they can't be judged by the clock. A mere note
        that finds no room is written the next time, and hinders nobody.
        """
        now, running = clock.now(), clock.monotonic()
        moved = step(self._note, clock.boot_id(), now, running)
        fresh = Note(clock.boot_id(), now - running, now)
        if moved or self._note is None or running >= self._due:
            self._due = running + _NOTE_SECONDS
            try:
                count = self._write(moved, fresh)
            except StoreError as error:
                if moved:
                    raise
                _log.warning("clock_not_noted", reason=error.message)
            if moved:
                _log.warning("clock_was_set", seconds=round(moved), sessions=count)
        self._note, self._known = fresh, self._newest()
        return moved

    def _write(self, moved: float, fresh: Note) -> int:
        with write(self._store) as store:
            # Only what was known before: what came since ends by the clock as it is now.
            grant, change = self._known
            count = followed.shift(store, moved, grant) if moved else 0
            if moved:
                site_leases.shift(store, moved, change)
            store.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", [_KEY, json.dumps(fresh)])
        return count

    def _newest(self) -> tuple[int, int]:
        """Return the newest grant's id, and the number of the last change of the leases that were told."""
        row = self._store.execute("SELECT coalesce(max(id), 0) FROM grants").fetchone()
        return int(row[0]), site_leases.newest(self._store)


def _read(store: sqlite3.Connection) -> Note | None:
    row = store.execute("SELECT value FROM meta WHERE key = ?", [_KEY]).fetchone()
    try:
        boot, offset, wall = json.loads(row[0]) if row else (None, 0, 0)
        return Note(str(boot), float(offset), float(wall)) if boot else None
    except (ValueError, TypeError):
        return None
