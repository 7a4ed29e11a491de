# SPDX-License-Identifier: EUPL-1.2
"""The platform's SQLite file: its tables and how it is opened. One writer, any number of readers."""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION = 1
_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE devices (
    id INTEGER PRIMARY KEY, site TEXT NOT NULL, name TEXT NOT NULL, epoch TEXT NOT NULL DEFAULT '',
    birth TEXT, seen_at REAL NOT NULL, refused INTEGER NOT NULL DEFAULT 0, replied INTEGER NOT NULL DEFAULT 0,
    UNIQUE (site, name)
) STRICT;
-- One life of one device's database: its own sequence, acknowledgement, counters (R-307) and state, so that a late
-- last will of an older life says nothing about this one (R-502).
CREATE TABLE streams (
    id INTEGER PRIMARY KEY, device INTEGER NOT NULL REFERENCES devices (id), epoch TEXT NOT NULL,
    online INTEGER NOT NULL DEFAULT 0,
    acked INTEGER NOT NULL DEFAULT 0, oldest INTEGER NOT NULL DEFAULT 0, received INTEGER NOT NULL DEFAULT 0,
    duplicates INTEGER NOT NULL DEFAULT 0, conflicts INTEGER NOT NULL DEFAULT 0, UNIQUE (device, epoch)
) STRICT;
-- The rowid is the order of arrival.
CREATE TABLE events (
    n INTEGER PRIMARY KEY, stream INTEGER NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL, class TEXT NOT NULL,
    type TEXT NOT NULL, at REAL NOT NULL, boot TEXT NOT NULL, monotonic REAL NOT NULL, synchronised INTEGER NOT NULL,
    data TEXT NOT NULL, UNIQUE (stream, seq)
) STRICT;
CREATE TABLE dead_letters (
    n INTEGER PRIMARY KEY, device INTEGER NOT NULL, stream INTEGER, seq INTEGER, class TEXT NOT NULL,
    at REAL NOT NULL,
    reason TEXT NOT NULL, body TEXT NOT NULL, times INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE UNIQUE INDEX dead_numbered ON dead_letters (stream, seq) WHERE seq IS NOT NULL;
CREATE UNIQUE INDEX dead_unnumbered ON dead_letters (device, body) WHERE seq IS NULL;
-- Spans that the device says it does not hold any more, and spans that the acknowledgement has passed over.
CREATE TABLE gaps (
    stream INTEGER NOT NULL, seq INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    count INTEGER NOT NULL,
    reason TEXT NOT NULL, PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE holes (
    stream INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, declared INTEGER NOT NULL,
    PRIMARY KEY (stream, first)
) STRICT, WITHOUT ROWID;
-- What one event of a boot with a right clock tells of all the others: wall time minus monotonic time.
CREATE TABLE boots (
    device INTEGER NOT NULL, boot TEXT NOT NULL, offset REAL NOT NULL, PRIMARY KEY (device, boot)
) STRICT, WITHOUT ROWID;
CREATE TABLE totals (type TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE refusals (reason TEXT PRIMARY KEY, n INTEGER NOT NULL, last_at REAL NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE sessions (
    device INTEGER NOT NULL, session TEXT NOT NULL, plan TEXT NOT NULL, started REAL, ended REAL, reason TEXT,
    duration REAL, up_bytes INTEGER, down_bytes INTEGER, PRIMARY KEY (device, session)
) STRICT;
CREATE TABLE presence (
    device INTEGER NOT NULL, zone TEXT NOT NULL, start INTEGER NOT NULL, seconds INTEGER NOT NULL, associated INTEGER,
    online INTEGER, PRIMARY KEY (device, zone, start)
) STRICT, WITHOUT ROWID;
CREATE TABLE requests (
    n INTEGER PRIMARY KEY, request TEXT NOT NULL UNIQUE, device INTEGER NOT NULL, kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    data TEXT NOT NULL, place TEXT, at REAL NOT NULL, state TEXT NOT NULL, reason TEXT, reference TEXT
) STRICT;
CREATE TABLE replies (
    device INTEGER NOT NULL, n INTEGER NOT NULL, request TEXT NOT NULL, state TEXT NOT NULL, reason TEXT,
    reference TEXT,
    at TEXT NOT NULL, PRIMARY KEY (device, n)
) STRICT, WITHOUT ROWID;
"""


class StoreError(Exception):
    """The store can't be used; the text says what to do."""


def open_writer(path: Path) -> sqlite3.Connection:
    """Open for the one writer; create the tables in a new file. Raises StoreError with a remedy."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=5000; PRAGMA cache_size=-32000;"
        )
        _create(connection)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"The store {path} can't be opened: {error}. Give --store a writable place.") from error
    return connection


def _create(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        epoch = secrets.token_hex(8)
        connection.executescript(
            f"BEGIN IMMEDIATE; {_TABLES} INSERT INTO meta VALUES ('reply_epoch', '{epoch}');"
            f" PRAGMA user_version={VERSION}; COMMIT;"
        )
    elif version != VERSION:
        raise StoreError(f"The store has schema {version}, this platform knows {VERSION}. Give --store another file.")


def open_reader(path: Path) -> sqlite3.Connection:
    """Open for reading only."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """BEGIN IMMEDIATE … COMMIT; whatever goes wrong, nothing of it stays."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk may have rolled back by itself; only what is still open is undone here.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def reply_epoch(connection: sqlite3.Connection) -> str:
    """Return the id of this store's reply streams (R-402)."""
    return str(connection.execute("SELECT value FROM meta WHERE key = 'reply_epoch'").fetchone()[0])
