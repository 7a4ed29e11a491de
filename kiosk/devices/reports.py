# SPDX-License-Identifier: EUPL-1.2
"""Tells the platform of devices and of the screen, through the outbox; a loose cable fills nothing.

A state is told at most once a minute for each role, and the last one always.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

from edge_core import clock, events, logs
from edge_core.errors import StoreError
from edge_core.store import database, outbox

if TYPE_CHECKING:
    from pathlib import Path

_log = logs.get(__name__)
EVERY = 60.0
_PASSING = frozenset({"printing"})  # states that are no news


class Reports:
    """Threads `note`; one of them calls `turn`."""

    def __init__(self, edge_db: Path) -> None:
        self._edge_db = edge_db
        self._lock = threading.Lock()
        self._now: dict[str, str] = {}
        self._told: dict[str, tuple[str, float]] = {}
        self._rungs: list[tuple[str, int]] = []

    def note(self, role: str, state: str) -> None:
        """Remember how a device is."""
        if state not in _PASSING:
            with self._lock:
                self._now[role] = state

    def helped(self, rung: str, count: int) -> None:
        """Remember what was done about the screen."""
        with self._lock:
            self._rungs.append((rung, count))

    def turn(self, now: float) -> None:
        """Write what is due, at `now` of a monotonic clock; what can't be written stays due."""
        due, rungs = self._due(now)
        if not due and not rungs:
            return
        try:
            with closing(database.open_edge(self._edge_db)) as connection, database.write(connection):
                for role, state in due.items():
                    outbox.append(connection, events.DeviceChanged(role=role, state=state), clock.now())
                for rung, count in rungs:
                    outbox.append(connection, events.ScreenHelped(rung=rung, count=count), clock.now())
        except (StoreError, sqlite3.Error) as error:
            _log.warning("device_not_reported", reason=type(error).__name__)
            return
        with self._lock:
            self._told |= {role: (state, now) for role, state in due.items()}
            self._rungs = self._rungs[len(rungs) :]

    def _due(self, now: float) -> tuple[dict[str, str], list[tuple[str, int]]]:
        with self._lock:
            due = {
                role: state
                for role, state in self._now.items()
                if role not in self._told or (self._told[role][0] != state and now - self._told[role][1] >= EVERY)
            }
            return due, list(self._rungs)
