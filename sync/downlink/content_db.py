# SPDX-License-Identifier: EUPL-1.2
"""Writes content.db, the replica of the signed content; nothing else does. Readers use edge_core.store.replica.

A record's `body` is its line of the published snapshot, byte for byte, so that the state hash of a collection is the
SHA-256 of its lines in order of id, and equals that of the snapshot's text. What a publisher of its own signs is kept
under `publisher/collection`; readers see one collection of all.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from edge_core import logs
from edge_core.errors import ContentError
from edge_core.store.replica import SCHEMA
from edge_core.store.search import COLUMNS, PREFIXES, TOKENIZER
from sync.downlink.history import TABLES, Past
from sync.downlink.indexing import entry_of
from sync.downlink.repository_format import canonical, state_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_TABLES = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE collections (name TEXT PRIMARY KEY, cursor INTEGER NOT NULL, state_hash TEXT NOT NULL)
    STRICT, WITHOUT ROWID;
CREATE TABLE records (
    number INTEGER PRIMARY KEY,  -- also the rowid of the record's row in search
    collection TEXT NOT NULL,
    id TEXT NOT NULL,
    body TEXT NOT NULL,          -- the record as canonical JSON, exactly as published
    sort TEXT NOT NULL,          -- folded title, for alphabetical lists
    starts REAL,                 -- epoch seconds: start of an event, publication of news
    ends REAL,
    UNIQUE (collection, id)
) STRICT;
CREATE INDEX records_by_start ON records (collection, starts);
CREATE INDEX records_by_title ON records (collection, sort);
CREATE VIRTUAL TABLE search USING fts5({", ".join(COLUMNS)}, tokenize = '{TOKENIZER}', prefix = '{PREFIXES}');
PRAGMA user_version = {SCHEMA};
"""
# Readers know nothing of these, so that a file of the release before only gains them.
_LATER = (
    "ALTER TABLE records ADD COLUMN owner TEXT NOT NULL DEFAULT ''",
    *TABLES,
)
_log = logs.get(__name__)


class ContentDatabase:
    """The one writer of a content.db. Every change happens inside `with database.transaction():`."""

    def __init__(self, path: Path) -> None:
        """Open or create the file; one that is corrupt, or of another schema, is put aside and begun anew."""
        try:
            self._connection = _open(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # busy, full, no permission: the file itself may be good
                raise ContentError(
                    f"The content database {path} can't be opened ({error}).",
                    remedy="Check the free space and the owner of its folder.",
                ) from error
            put_aside(path, str(error))
            self._connection = _open(path)
        self._path = path
        self._inode = path.stat().st_ino

    def is_current(self) -> bool:
        """Tell whether the open file is still the one that bears the name."""
        try:
            return self._path.stat().st_ino == self._inode
        except OSError:
            return False

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all changes inside visible at once, or none of them."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:  # a full disk makes SQLite roll back by itself
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def put(self, key: str, body: str) -> None:
        """Add or replace one record, given as its canonical line. Raises ContentError where it is another's."""
        owner, _, collection = key.rpartition("/")
        entry = entry_of(collection, json.loads(body))
        self.delete(key, entry.id)
        try:
            inserted = self._connection.execute(
                "INSERT INTO records (collection, id, body, sort, starts, ends, owner) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (collection, entry.id, body, entry.sort, entry.starts, entry.ends, owner),
            )
        except sqlite3.IntegrityError as error:
            raise ContentError(
                f"{collection}/{entry.id} is signed by two publishers.", remedy="Publish again: one of them owns it."
            ) from error
        self._connection.execute(
            "INSERT INTO search (rowid, name, topic, rest) VALUES (?, ?, ?, ?)",
            (inserted.lastrowid, entry.name, entry.topic, entry.rest),
        )

    def delete(self, key: str, record_id: str) -> None:
        """Take one record away; one that isn't there is no error, since a change may be applied again."""
        owner, _, collection = key.rpartition("/")
        found = self._connection.execute(
            "SELECT number FROM records WHERE collection = ? AND id = ? AND owner = ?", (collection, record_id, owner)
        ).fetchone()
        if found is not None:
            self._connection.execute("DELETE FROM search WHERE rowid = ?", found)
            self._connection.execute("DELETE FROM records WHERE number = ?", found)

    def lines(self, key: str) -> dict[str, str]:
        """Return what is stored of a collection: id to line, in order of id."""
        owner, _, collection = key.rpartition("/")
        return dict(
            self._connection.execute(
                "SELECT id, body FROM records WHERE collection = ? AND owner = ? ORDER BY id", (collection, owner)
            ).fetchall()
        )

    def line(self, key: str, record_id: str) -> str | None:
        """Return one record's line, or None."""
        owner, _, collection = key.rpartition("/")
        row = self._connection.execute(
            "SELECT body FROM records WHERE collection = ? AND id = ? AND owner = ?", (collection, record_id, owner)
        ).fetchone()
        return None if row is None else str(row[0])

    def clear(self, key: str) -> None:
        """Take all records of a collection away."""
        for record_id in self.lines(key):
            self.delete(key, record_id)

    def state_hash(self, key: str) -> str:
        """Return the SHA-256 (hex) of what is really stored of a collection."""
        owner, _, collection = key.rpartition("/")
        rows = self._connection.execute(
            "SELECT body FROM records WHERE collection = ? AND owner = ? ORDER BY id", (collection, owner)
        )
        return state_hash(body for (body,) in rows)

    def cursor(self, collection: str) -> int | None:
        """Return the cursor that a collection has reached, or None."""
        row = self._connection.execute("SELECT cursor FROM collections WHERE name = ?", (collection,)).fetchone()
        return None if row is None else int(row[0])

    def set_cursor(self, collection: str, cursor: int, state_hash: str) -> None:
        """Note what a collection has reached."""
        self._connection.execute(
            "INSERT OR REPLACE INTO collections VALUES (?, ?, ?)", (collection, cursor, state_hash)
        )

    def forget(self, collection: str) -> None:
        """Note that a collection is no longer published; its records are taken away with `delete`."""
        self._connection.execute("DELETE FROM collections WHERE name = ?", (collection,))

    def collections(self) -> list[str]:
        """Return the names of the collections that are here."""
        return [name for (name,) in self._connection.execute("SELECT name FROM collections ORDER BY name")]

    def meta(self, key: str) -> str | None:
        """Return one value of the file's own notes: version, applied_at, checked_at, root."""
        row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def version(self) -> int | None:
        """Return the version of the content that is here, or None."""
        held = self.meta("version")
        return None if held is None else int(held)

    def set_meta(self, key: str, value: object) -> None:
        """Write one of the file's own notes."""
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, str(value)))

    def blobs(self) -> dict[str, int]:
        """Return the blobs that the records need: SHA-256 (hex) to length in bytes."""
        rows = self._connection.execute(
            "SELECT DISTINCT blob.key, blob.value FROM records, json_each(records.body, '$.blobs') AS blob"
        )
        return {str(sha256): int(length) for sha256, length in rows}

    @property
    def past(self) -> Past:
        """Return the content before the last change."""
        return Past(self._connection)


def load(path: Path, content: Mapping[str, Iterable[Mapping[str, Any]]], version: int, now: float) -> None:
    """Make `path` hold exactly `content` (collection to records), in one transaction; for tests and first starts."""
    with closing(ContentDatabase(path)) as database, database.transaction():
        for collection in set(database.collections()) - set(content):
            database.clear(collection)
            database.forget(collection)
        for collection, records in content.items():
            database.clear(collection)
            for record in records:
                database.put(collection, canonical({key: record[key] for key in record if key != "collection"}))
            database.set_cursor(collection, version, database.state_hash(collection))
        for key, value in (("version", version), ("applied_at", now), ("checked_at", now)):
            database.set_meta(key, value)


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    # SQLite gives its -shm file the same mode, and a reader of our group may be the one that makes it.
    path.touch(mode=0o660)
    connection = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found == 0:
            connection.executescript(f"BEGIN IMMEDIATE;{_TABLES}COMMIT;")
        else:
            _require_known(found)
        if "owner" not in {row[1] for row in connection.execute("PRAGMA table_info(records)")}:
            connection.executescript(f"BEGIN IMMEDIATE;{';'.join(_LATER)};COMMIT;")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _require_known(schema: int) -> None:
    if schema != SCHEMA:
        raise sqlite3.DatabaseError(f"schema {schema} where {SCHEMA} is written")


def put_aside(path: Path, reason: str) -> None:
    """Keep a bad file for whoever wants to know why; content can always be fetched again."""
    _log.warning("content_quarantined", file=path.name, reason=reason)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.replace(path.with_name(f"{path.name}.corrupt"))
