# SPDX-License-Identifier: EUPL-1.2
"""The platform's store: its tables, and how an SQLite file or a PostgreSQL database is opened.

One writer for a file, any number for a database. The SQL of this package is what both understand.
"""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

VERSION = 7
_ROWS = 200  # of a dozen values at most: SQLite takes 32,766 in a statement
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
    acked INTEGER NOT NULL DEFAULT 0, oldest INTEGER NOT NULL DEFAULT 0, pruned INTEGER NOT NULL DEFAULT 0,
    received INTEGER NOT NULL DEFAULT 0,
    duplicates INTEGER NOT NULL DEFAULT 0, conflicts INTEGER NOT NULL DEFAULT 0, UNIQUE (device, epoch)
) STRICT;
-- The rowid is the order of arrival; `arrivals` has the last one before each day, for `retention`.
CREATE TABLE arrivals (day INTEGER PRIMARY KEY, n INTEGER NOT NULL) STRICT;
CREATE TABLE events (
    n INTEGER PRIMARY KEY, stream INTEGER NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL, class TEXT NOT NULL,
    type TEXT NOT NULL, at REAL NOT NULL, boot TEXT NOT NULL, monotonic REAL NOT NULL, synchronised INTEGER NOT NULL,
    data TEXT NOT NULL, UNIQUE (stream, seq)
) STRICT;
CREATE TABLE dead_letters (
    n INTEGER PRIMARY KEY, device INTEGER NOT NULL, stream INTEGER, seq INTEGER, class TEXT NOT NULL,
    at REAL NOT NULL,
    reason TEXT NOT NULL, body TEXT, times INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE UNIQUE INDEX dead_numbered ON dead_letters (stream, seq) WHERE seq IS NOT NULL;
CREATE UNIQUE INDEX dead_unnumbered ON dead_letters (device, body) WHERE seq IS NULL;
CREATE INDEX dead_at ON dead_letters (at) WHERE body IS NOT NULL;
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
    device INTEGER NOT NULL, boot TEXT NOT NULL, started REAL NOT NULL, PRIMARY KEY (device, boot)
) STRICT, WITHOUT ROWID;
-- By stream, because one counter for all would be the row that every consumer waits for.
CREATE TABLE totals (
    stream INTEGER NOT NULL, type TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (stream, type)
) STRICT, WITHOUT ROWID;
CREATE TABLE refusals (reason TEXT PRIMARY KEY, n INTEGER NOT NULL, last_at REAL NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE sessions (
    n INTEGER PRIMARY KEY, device INTEGER NOT NULL, session TEXT NOT NULL, plan TEXT NOT NULL,
    started REAL, ended REAL, reason TEXT, duration REAL, up_bytes INTEGER, down_bytes INTEGER, UNIQUE (device, session)
) STRICT;
CREATE TABLE presence (
    device INTEGER NOT NULL, zone TEXT NOT NULL, access_point TEXT NOT NULL, start INTEGER NOT NULL,
    seconds INTEGER NOT NULL, observed INTEGER NOT NULL, doubt TEXT, associated INTEGER, online INTEGER,
    arrivals INTEGER, departures INTEGER, PRIMARY KEY (device, zone, access_point, start)
) STRICT, WITHOUT ROWID;
-- `changed`, here and of visits: when, by the platform's clock; null once `retention` has forgotten the words.
CREATE TABLE requests (
    n INTEGER PRIMARY KEY, request TEXT NOT NULL UNIQUE, device INTEGER NOT NULL, kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    data TEXT NOT NULL, place TEXT, at REAL NOT NULL, state TEXT NOT NULL, reason TEXT, reference TEXT,
    lease TEXT, units INTEGER, quota INTEGER, doubt INTEGER NOT NULL DEFAULT 0, changed REAL
) STRICT;
CREATE INDEX requests_state ON requests (state);
CREATE INDEX requests_lease ON requests (lease);
CREATE INDEX requests_quota ON requests (quota);
CREATE INDEX requests_changed ON requests (changed) WHERE changed IS NOT NULL;
-- Scarce things, and what of them a device may promise by itself; `returned` is what it had spent when it gave it back.
CREATE TABLE quotas (
    n INTEGER PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, slot TEXT NOT NULL, each TEXT NOT NULL,
    capacity INTEGER NOT NULL, share INTEGER NOT NULL, touched INTEGER NOT NULL DEFAULT 0, UNIQUE (kind, subject, slot)
) STRICT;
CREATE TABLE leases (
    lease TEXT PRIMARY KEY, quota INTEGER NOT NULL, device INTEGER NOT NULL, life TEXT NOT NULL,
    units INTEGER NOT NULL, until REAL NOT NULL, returned INTEGER, asked_back INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX leases_quota ON leases (quota, device);
-- What somebody here wishes for, and what the device said last; without a wish the generation is 0.
CREATE TABLE wishes (
    device INTEGER NOT NULL, generation INTEGER NOT NULL, settings TEXT NOT NULL, at REAL NOT NULL,
    reported INTEGER NOT NULL DEFAULT 0, state TEXT, reason TEXT, PRIMARY KEY (device)
) STRICT, WITHOUT ROWID;
CREATE TABLE replies (
    device INTEGER NOT NULL, n INTEGER NOT NULL, request TEXT NOT NULL, state TEXT NOT NULL, reason TEXT,
    reference TEXT,
    at TEXT NOT NULL, visit TEXT, lease TEXT, PRIMARY KEY (device, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX replies_at ON replies (at);
-- What each event of a visit tells stands apart, so that their order doesn't matter; announced ones have a code first.
CREATE TABLE visits (
    n INTEGER PRIMARY KEY, visit TEXT NOT NULL UNIQUE, device INTEGER, company TEXT, host TEXT, name TEXT,
    people INTEGER, place TEXT, code TEXT, until REAL, arrived REAL, asked TEXT, reason TEXT, asked_at REAL,
    answer TEXT, left_at REAL, how TEXT, changed REAL
) STRICT;
CREATE INDEX visits_changed ON visits (changed) WHERE changed IS NOT NULL;
"""


class StoreError(Exception):
    """The store can't be used; the text says what to do."""


class AgainError(sqlite3.OperationalError):
    """Another consumer of the same database was in the way; the same transaction again may pass."""


class Connection(Protocol):
    """What this package needs of a connection: sqlite3's, or the one of `postgres` that behaves like it."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """Run one statement with `?` parameters; return a cursor with rows that have names and places."""

    def close(self) -> None:
        """Close it."""


def is_database(place: str | Path) -> bool:
    """Tell whether a store is a PostgreSQL database and not a file."""
    return str(place).startswith(("postgresql://", "postgres://"))


def open_writer(place: str | Path) -> Connection:
    """Open for writing; create the tables where they are missing. Raises StoreError with a remedy."""
    if is_database(place):
        from lab.platform import postgres  # noqa: PLC0415 - psycopg is needed only where PostgreSQL is

        return postgres.open_writer(str(place), _TABLES, VERSION)
    path = Path(place)
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


def open_reader(place: str | Path) -> Connection:
    """Open for reading only."""
    if is_database(place):
        from lab.platform import postgres  # noqa: PLC0415

        return postgres.open_reader(str(place))
    connection = sqlite3.connect(f"file:{place}?mode=ro", uri=True, timeout=5, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


def write_rows(connection: Connection, table: str, columns: str, rows: Sequence[tuple[Any, ...]], tail: str) -> int:
    """Insert all rows by as few statements as can be, `tail` being the ON CONFLICT part; return how many were new.

    `columns` are apart by a comma and a space. Few statements, because each costs a lock of the interpreter.
    """
    return sum(cursor.rowcount for cursor in _written(connection, table, columns, rows, tail))


def write_returning(
    connection: Connection, table: str, columns: str, rows: Sequence[tuple[Any, ...]], tail: str
) -> list[Any]:
    """Insert as `write_rows`; `tail` ends with RETURNING, of which the rows are returned."""
    return [row for cursor in _written(connection, table, columns, rows, tail) for row in cursor.fetchall()]


def _written(
    connection: Connection, table: str, columns: str, rows: Sequence[tuple[Any, ...]], tail: str
) -> Iterator[Any]:
    if not isinstance(connection, sqlite3.Connection):
        if rows:
            yield connection.write_rows(table, columns, rows, tail)  # type: ignore[attr-defined]
        return
    marks = f"({', '.join('?' * len(columns.split(', ')))})"
    for start in range(0, len(rows), _ROWS):
        some = rows[start : start + _ROWS]
        sql = f"INSERT INTO {table} ({columns}) VALUES {', '.join([marks] * len(some))} {tail}"
        yield connection.execute(sql, [value for row in some for value in row])


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
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


def reply_epoch(connection: Connection) -> str:
    """Return the id of this store's reply streams (R-402)."""
    return str(connection.execute("SELECT value FROM meta WHERE key = 'reply_epoch'").fetchone()[0])
