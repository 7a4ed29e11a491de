# SPDX-License-Identifier: EUPL-1.2
"""The register of tickets and certificates: a file of its own beside the authority, because both are saved together."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
-- Only the hash of a code is kept: who reads this file can't enrol with it. `key` is the public key that used it up.
CREATE TABLE IF NOT EXISTS tickets (
    code TEXT PRIMARY KEY, site TEXT NOT NULL, site_name TEXT NOT NULL, device TEXT NOT NULL, bridge INTEGER NOT NULL,
    names TEXT NOT NULL, broker TEXT NOT NULL, content TEXT NOT NULL, root TEXT NOT NULL, days INTEGER NOT NULL,
    made_at REAL NOT NULL, expires_at REAL NOT NULL, key TEXT, used_at REAL, serial TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS certificates (
    serial TEXT PRIMARY KEY, site TEXT NOT NULL, device TEXT NOT NULL, ticket TEXT NOT NULL, key TEXT NOT NULL,
    pem TEXT NOT NULL, issued_at REAL NOT NULL, expires_at REAL NOT NULL, follows TEXT, revoked_at REAL, reason TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS certificates_device ON certificates (site, device);
CREATE UNIQUE INDEX IF NOT EXISTS certificates_follows ON certificates (follows) WHERE follows IS NOT NULL;
"""


class Register:
    """One connection, one transaction at a time."""

    def __init__(self, path: Path) -> None:
        """Open the register, making its tables where they are missing."""
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._lock = threading.Lock()
        self._connection.executescript(
            f"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=5000; {_TABLES}"
        )

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """Give a transaction; whatever goes wrong, nothing of it stays."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise

    def setting(self, key: str, value: str | None = None) -> str:
        """Return what is kept under `key`, after setting it where `value` is given; "" where there is nothing."""
        with self.change() as connection:
            if value is not None:
                connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [key, value])
            row = connection.execute("SELECT value FROM meta WHERE key = ?", [key]).fetchone()
        return str(row[0]) if row else ""

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
