# SPDX-License-Identifier: EUPL-1.2
"""Keeps, inside content.db, what the last change replaced, so that a device can go back to it without a network.

Only the lines that changed are kept: a changed record costs its old line, not a copy of everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from edge_core.errors import ContentError

if TYPE_CHECKING:
    import sqlite3

TABLES = (
    """CREATE TABLE past_lines (key TEXT NOT NULL, id TEXT NOT NULL, body TEXT, PRIMARY KEY (key, id))
    STRICT, WITHOUT ROWID""",
    """CREATE TABLE past_collections (name TEXT PRIMARY KEY, cursor INTEGER NOT NULL, state_hash TEXT NOT NULL)
    STRICT, WITHOUT ROWID""",
)
HELD_BACK = "held_back"  # meta: versions up to this one are passed over, for somebody went back from it
_PAST_VERSION = "past_version"


class Database(Protocol):
    """What going back asks of the writer of content.db."""

    def put(self, key: str, body: str) -> None:
        """Add or replace one record."""

    def delete(self, key: str, record_id: str) -> None:
        """Take one record away."""

    def state_hash(self, key: str) -> str:
        """Return the SHA-256 (hex) of what is stored of a collection."""

    def version(self) -> int | None:
        """Return the version of the content that is here."""

    def set_meta(self, key: str, value: object) -> None:
        """Write one of the file's own notes."""


class Past:
    """The content before the last change. Everything happens inside the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Take the writer's connection."""
        self._connection = connection

    def begin(self, version: int | None) -> None:
        """Forget the past before, and begin to note this one: what `version` has."""
        self._connection.execute("DELETE FROM past_lines")
        self._connection.execute("DELETE FROM past_collections")
        self._connection.execute("INSERT INTO past_collections SELECT name, cursor, state_hash FROM collections")
        self._set(_PAST_VERSION, version)
        self._set(HELD_BACK, None)  # whatever comes now is beyond it

    def note(self, key: str, record_id: str, line: str | None) -> None:
        """Note a record's line before it changes; None where it wasn't there."""
        self._connection.execute("INSERT OR IGNORE INTO past_lines VALUES (?, ?, ?)", (key, record_id, line))

    def blobs(self) -> dict[str, int]:
        """Return the blobs that going back would need: SHA-256 (hex) to length in bytes."""
        rows = self._connection.execute(
            "SELECT DISTINCT blob.key, blob.value FROM past_lines, json_each(past_lines.body, '$.blobs') AS blob"
            " WHERE past_lines.body IS NOT NULL"
        )
        return {str(sha256): int(length) for sha256, length in rows}

    def restore(self, database: Database) -> int:
        """Go back to the version before, whole and compared; return it. Raises ContentError where there is none."""
        row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (_PAST_VERSION,)).fetchone()
        if row is None:
            raise ContentError(
                "There is no content before this one here.",
                remedy="Going back is possible once after each new version.",
            )
        lines = self._connection.execute("SELECT key, id, body FROM past_lines").fetchall()
        for key, record_id, _ in lines:
            database.delete(key, record_id)
        for key, _, body in lines:
            if body is not None:
                database.put(key, body)
        self._connection.execute("DELETE FROM collections")
        self._connection.execute("INSERT INTO collections SELECT name, cursor, state_hash FROM past_collections")
        for name, expected in self._connection.execute("SELECT name, state_hash FROM collections").fetchall():
            if database.state_hash(name) != expected:
                raise ContentError(
                    f"The earlier content of {name} is damaged.", remedy="It can't be used; the present one stays."
                )
        self._set(HELD_BACK, database.version())
        database.set_meta("version", row[0])
        self._set(_PAST_VERSION, None)
        self._connection.execute("DELETE FROM past_lines")
        return int(row[0])

    def resume(self) -> None:
        """Take the newest version again at the next look."""
        self._set(HELD_BACK, None)

    def held_back(self) -> int:
        """Return the highest version that is passed over; 0 where none is."""
        row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (HELD_BACK,)).fetchone()
        return int(row[0]) if row else 0

    def _set(self, key: str, value: int | None) -> None:
        self._connection.execute("DELETE FROM meta WHERE key = ?", (key,))
        if value is not None:
            self._connection.execute("INSERT INTO meta VALUES (?, ?)", (key, str(value)))
