# SPDX-License-Identifier: EUPL-1.2
"""Reads the local copy of the signed content (content.db, blobs/), as portal and kiosk show it; writes nothing.

The synchroniser alone writes the file. An absent, unreadable or unknown file reads as empty content, so that a page is
always served; a new version, or a new file, is seen by the next call without a restart.
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_core import logs
from edge_core.store import search, spelling, timetable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

SCHEMA = 1  # PRAGMA user_version of a content.db that this module can read

Record = dict[str, Any]
"""One record: {"collection", "id", …fields}; a text that people read is {"fr": …, "en": …, "es": …, "oc": …}."""

Records = list[Record]
_Rows = list[sqlite3.Row]
_Departures = list[timetable.Departure]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ORDERS = {"title": "sort, id", "id": "id", "starts": "starts, id", "-starts": "starts DESC, id"}
# In SQLite, the bare columns beside min() are those of the row that has it (sqlite.org/lang_select.html, 2.5).
_NEXT_EVENTS = (
    "SELECT collection, id, body, min(starts) AS next, count(*) AS occurrences FROM records"
    " WHERE collection = 'events' AND ends > ? GROUP BY coalesce(body ->> '$.series', id) ORDER BY next, id LIMIT ?"
)
_STAMP = "SELECT value FROM meta WHERE key IN ('version', 'applied_at') ORDER BY key"
_log = logs.get(__name__)


@dataclass(frozen=True)
class ContentState:
    """Which content a device serves. Times are epoch seconds; `checked_at` is true to a quarter of an hour."""

    version: int | None
    applied_at: float | None
    checked_at: float | None


class Replica:
    """The content of one device, safe to share between threads: each has its own read-only connection."""

    def __init__(self, path: Path, blobs: Path | None = None) -> None:
        """Read `path`, and the blobs of the folder `blobs` (by default `blobs/` beside it). Nothing is opened yet."""
        self._path = path
        self._blobs = blobs if blobs is not None else path.parent / "blobs"
        self._local = threading.local()
        self._words: tuple[tuple[str, ...], spelling.Vocabulary] | None = None

    def park(self) -> Record:
        """Return the park's own record, or {} while there is no content."""
        return self.get("park", "park") or {}

    def get(self, collection: str, record_id: str) -> Record | None:
        """Return one record, or None."""
        found = self._records(
            "SELECT collection, id, body FROM records WHERE collection = ? AND id = ?", (collection, record_id)
        )
        return found[0] if found else None

    def list(self, collection: str, *, order: str = "title", limit: int = 1000, offset: int = 0) -> Records:
        """Return the records of a collection by "title" (plans: level), "id", "starts" or "-starts" (latest first)."""
        return self._records(
            f"SELECT collection, id, body FROM records WHERE collection = ? ORDER BY {_ORDERS[order]} LIMIT ? OFFSET ?",
            (collection, limit, offset),
        )

    def count(self, collection: str) -> int:
        """Return how many records a collection has."""
        rows = self._query("SELECT count(*) FROM records WHERE collection = ?", (collection,))
        return int(rows[0][0]) if rows else 0

    def events_from(self, now: float, limit: int = 20) -> Records:
        """Return events that have not ended at `now` (epoch seconds), soonest first; of a series, its next one.

        Such a one says in `following` how many come after it.
        """
        found = self._query(_NEXT_EVENTS, (now, limit))
        return [{**_record(row), "following": row["occurrences"] - 1} for row in found]

    def series(self, name: str, now: float, limit: int = 10) -> Records:
        """Return the events of a series that have not ended at `now`, soonest first."""
        return self._records(
            "SELECT collection, id, body FROM records WHERE collection = 'events' AND ends > ?"
            " AND body ->> '$.series' = ? ORDER BY starts LIMIT ?",
            (now, name, limit),
        )

    def latest_news(self, limit: int = 10) -> Records:
        """Return the news: what the park puts first, then the latest."""
        return self._records(
            "SELECT collection, id, body FROM records WHERE collection = 'news'"
            " ORDER BY coalesce(body ->> '$.priority', 0) DESC, starts DESC, id LIMIT ?",
            (limit,),
        )

    def of_company(self, company: str, limit: int = 10) -> Records:
        """Return the news that a company tells, latest first."""
        return self._records(
            "SELECT collection, id, body FROM records WHERE collection = 'news' AND body ->> '$.company' = ?"
            " ORDER BY starts DESC, id LIMIT ?",
            (company, limit),
        )

    def search(self, text: str, collections: Iterable[str] | None = None, limit: int = 20) -> Records:
        """Return records that hold all words of `text`, best first; else what it may mean; else some of its words.

        Accents, case and ligatures don't count, the beginning of a word is enough, and one slip of the finger in each
        word is forgiven. Any text is safe to ask.
        """
        wanted = None if collections is None else sorted(set(collections))
        ways = (search.match_all, lambda asked: search.match_near(asked, self._vocabulary()), search.match_any)
        for way in ways:
            expression = way(text)
            if expression and (found := self._matching(expression, wanted, limit)):
                return found
        return []

    def _vocabulary(self) -> spelling.Vocabulary:
        """Return the words of the index, read once for each content that is applied; threads share them."""
        stamp = tuple(row["value"] for row in self._query(_STAMP, ()))
        known = self._words
        if known is None or known[0] != stamp:
            self._query("CREATE VIRTUAL TABLE IF NOT EXISTS temp.words USING fts5vocab(main, search, row)", ())
            known = stamp, spelling.Vocabulary.of(row["term"] for row in self._query("SELECT term FROM temp.words", ()))
            self._words = known
        return known[1]

    def _matching(self, expression: str, collections: Sequence[str] | None, limit: int) -> Records:
        places = ", ".join("?" * len(collections or ()))
        among = "" if collections is None else f"AND collection IN ({places})"
        weights = ", ".join(str(weight) for weight in search.WEIGHTS)
        return self._records(
            "SELECT collection, id, body FROM search JOIN records ON records.number = search.rowid"
            f" WHERE search MATCH ? {among} ORDER BY bm25(search, {weights}), collection, starts, id LIMIT ?",
            (expression, *(collections or ()), limit),
        )

    def departures(self, stop: str, now: float, limit: int = 5) -> _Departures:
        """Return the next departures of a stop after `now` (epoch seconds), within a day, soonest first."""
        record = self.get("stops", stop)
        return [] if record is None else timetable.upcoming(record, now, limit)

    def blob_path(self, sha256: str) -> Path | None:
        """Return the file of a blob, or None when it isn't here or `sha256` is no digest."""
        if not _SHA256.fullmatch(sha256):
            return None
        path = self._blobs / sha256
        return path if path.is_file() else None

    def version(self) -> int | None:
        """Return the version of the content that is served, or None while there is none."""
        return self.state().version

    def state(self) -> ContentState:
        """Return the version that is served and how fresh it is."""
        meta = {row["key"]: row["value"] for row in self._query("SELECT key, value FROM meta", ())}
        numbers = {key: float(value) for key, value in meta.items() if key in {"applied_at", "checked_at"}}
        version = int(meta["version"]) if "version" in meta else None
        return ContentState(version, numbers.get("applied_at"), numbers.get("checked_at"))

    def close(self) -> None:
        """Close this thread's connection; the next call opens it again."""
        connection = getattr(self._local, "connection", None)
        self._local.connection = self._local.identity = None
        self._local.immutable = False
        if connection is not None:
            connection.close()

    def _records(self, sql: str, values: Sequence[object]) -> Records:
        return [_record(row) for row in self._query(sql, values)]

    def _query(self, sql: str, values: Sequence[object]) -> _Rows:
        """Run one query; a file that can't be read is logged and reads as empty, never as an error page."""
        try:
            connection = self._connection()
            return [] if connection is None else connection.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            _log.warning("content_unreadable", file=self._path.name, reason=str(error))
            self.close()
            return []

    def _connection(self) -> sqlite3.Connection | None:
        identity = self._identify()
        if identity is None or identity != getattr(self._local, "identity", None):
            self.close()
        if identity is not None and self._local.connection is None:
            self._local.connection, immutable = _open(self._path)
            self._local.immutable = immutable
            self._local.identity = self._identify()
        connection: sqlite3.Connection | None = self._local.connection
        return connection

    def _identify(self) -> tuple[int, ...] | None:
        """Return what tells one file from the next; an immutable connection must also notice any change of it."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        if not getattr(self._local, "immutable", False):
            return found.st_dev, found.st_ino
        pending = self._path.with_name(f"{self._path.name}-wal").exists()
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size, int(pending)


def _record(row: sqlite3.Row) -> Record:
    return {"collection": row["collection"], "id": row["id"], **json.loads(row["body"])}


def _open(path: Path) -> tuple[sqlite3.Connection, bool]:
    """Open the file read-only. Returns the connection, and whether it takes the file as unchanging.

    A WAL database whose writer has gone has no -shm file, and a reader without write access to the folder can't make
    one (sqlite.org/wal.html, "Read-Only Databases"); nobody writes then, so it may be read as immutable until
    somebody does.
    """
    try:
        return _checked(f"{path.absolute().as_uri()}?mode=ro"), False
    except sqlite3.OperationalError:
        if path.with_name(f"{path.name}-wal").exists():
            raise
        return _checked(f"{path.absolute().as_uri()}?immutable=1"), True


def _checked(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, timeout=5, isolation_level=None, check_same_thread=False)
    try:
        connection.row_factory = sqlite3.Row
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        _require_known(found)
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _require_known(schema: int) -> None:
    if schema != SCHEMA:
        raise sqlite3.DatabaseError(f"schema {schema} where {SCHEMA} is read")
