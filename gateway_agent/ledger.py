# SPDX-License-Identifier: EUPL-1.2
"""Keeps the tally of flows across a restart of the agent, in a SQLite file of this boot that nobody else opens.

`synchronous=OFF`: what a killed process has written is in the kernel's cache and safe; only a power cut loses it, and a
power cut loses the flows themselves too.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from edge_core.store.usage import Usage
from gateway_agent.usage import Flow, Tally

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS totals (grant_id INTEGER PRIMARY KEY, up_bytes INTEGER, up_packets INTEGER,
    down_bytes INTEGER, down_packets INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS flows (id INTEGER PRIMARY KEY, mark INTEGER, up_bytes INTEGER, up_packets INTEGER,
    down_bytes INTEGER, down_packets INTEGER) STRICT;
"""


class Ledger:
    """The file. Flow ids are worth nothing after a reboot, so its name carries the boot's id and others are removed."""

    def __init__(self, folder: Path, boot: str) -> None:
        """Open or create it; a damaged file is replaced by an empty one."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"flows-{boot}.db"
        for old in folder.glob("flows-*.db*"):
            if not old.name.startswith(path.name):
                old.unlink(missing_ok=True)
        try:
            self._database = _open(path)
        except sqlite3.DatabaseError:
            for part in folder.glob(f"{path.name}*"):
                part.unlink(missing_ok=True)
            self._database = _open(path)

    def close(self) -> None:
        """Close it."""
        self._database.close()

    def tally(self, recorded: dict[int, Usage]) -> Tally:
        """Return the tally as it was last saved; `recorded` totals of edge.db stand in for grants that it lacks."""
        totals = {row[0]: Usage(*row[1:]) for row in self._database.execute("SELECT * FROM totals")}
        return Tally({**recorded, **totals}, (Flow(*row) for row in self._database.execute("SELECT * FROM flows")))

    def save(self, tally: Tally) -> None:
        """Write what changed since the last save, totals and flows in one transaction: they agree after any crash."""
        with self._database as database:
            database.execute("BEGIN")
            totals = [(grant, *_counts(tally.totals[grant])) for grant in tally.changed if grant in tally.totals]
            database.executemany("INSERT OR REPLACE INTO totals VALUES (?, ?, ?, ?, ?)", totals)
            present = [tally.flows[number] for number in tally.touched if number in tally.flows]
            database.executemany("INSERT OR REPLACE INTO flows VALUES (?, ?, ?, ?, ?, ?)", present)
            left = [(number,) for number in tally.touched if number not in tally.flows]
            database.executemany("DELETE FROM flows WHERE id = ?", left)
        tally.taken()

    def forget(self, grants: Iterable[int]) -> None:
        """Forget grants whose end was told."""
        with self._database as database:
            database.execute("BEGIN")
            database.executemany("DELETE FROM totals WHERE grant_id = ?", [(grant,) for grant in grants])


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=OFF")
    database.executescript(_SCHEMA)
    return database


def _counts(usage: Usage) -> tuple[int, int, int, int]:
    return usage.up_bytes, usage.up_packets, usage.down_bytes, usage.down_packets
