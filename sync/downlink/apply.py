# SPDX-License-Identifier: EUPL-1.2
"""Brings content.db to what a published index says: files first, then one transaction that compares the outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_core import logs
from edge_core.errors import ContentError
from sync.downlink.blobs import fetch_missing, needed_by
from sync.downlink.repository_format import (
    Change,
    Collection,
    FileRef,
    Index,
    Segment,
    read_segment,
    read_snapshot,
    segment_path,
    snapshot_path,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sync.downlink.content_db import ContentDatabase
    from sync.downlink.road import Road

_log = logs.get(__name__)


@dataclass(frozen=True)
class Published:
    """A verified index, and which trusted root vouched for it."""

    index: Index
    root: str


@dataclass(frozen=True)
class _Update:
    """What one collection needs: its changes in order, and whether they start from nothing."""

    collection: Collection
    changes: list[Change]
    anew: bool


def apply_index(database: ContentDatabase, folder: Path, published: Published, road: Road, now: float) -> bool:
    """Make `database` and the `folder` of blobs hold what `index` says; return whether anything changed.

    Raises ContentError, NetworkError, OSError or sqlite3.Error; the database then holds what it held before.
    """
    _require_newer(database, published)
    index = published.index
    updates = {
        name: update for name, entry in index.collections.items() if (update := _update(database, name, entry, road))
    }
    gone = set(database.collections()) - set(index.collections)
    if not updates and not gone and database.version() == index.version:
        mended = [FileRef(sha256, size) for sha256, size in database.blobs().items()]
        return fetch_missing(mended, folder, road) > 0
    while True:
        _fetch_blobs(updates, folder, road)
        try:
            _commit(database, published, updates, gone, now)
        except _DifferentStateError as different:
            if updates[different.name].anew:
                raise
            _log.warning("content_differs", collection=different.name)
            updates[different.name] = _from_scratch(index.collections[different.name], road)
        else:
            return True


class _DifferentStateError(ContentError):
    """A collection that followed its segments is not what the publisher has; the snapshot heals it."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The collection {name} does not come out as its publisher says.", remedy="Publish the repository again."
        )
        self.name = name


def _require_newer(database: ContentDatabase, published: Published) -> None:
    """Refuse an older version, also when the verified metadata was lost; another root starts versions anew."""
    held, index = database.version(), published.index
    if held is not None and database.meta("root") == published.root and index.version < held:
        raise ContentError(
            f"The repository offers version {index.version} where version {held} is already here.",
            remedy="Restore the newest version on the server.",
        )


def _update(database: ContentDatabase, name: str, entry: Collection, road: Road) -> _Update | None:
    """Return what a collection lacks, or None. What is stored is compared each time, so damage heals itself."""
    cursor = database.cursor(name)
    if cursor == entry.cursor:
        if database.state_hash(name) == entry.state_hash:
            return None
        _log.warning("content_differs", collection=name)
        return _from_scratch(entry, road)
    snapshot, segments = entry.path_from(cursor)
    if snapshot is not None:
        return _from_scratch(entry, road)
    return _Update(entry, _fetch_segments(segments, road), anew=False)


def _from_scratch(entry: Collection, road: Road) -> _Update:
    snapshot, segments = entry.from_scratch()
    changes = read_snapshot(road.fetch(snapshot_path(snapshot.file), snapshot.file))
    return _Update(entry, changes + _fetch_segments(segments, road), anew=True)


def _fetch_segments(segments: tuple[Segment, ...], road: Road) -> list[Change]:
    return [change for each in segments for change in read_segment(road.fetch(segment_path(each.file), each.file))]


def _fetch_blobs(updates: Mapping[str, _Update], folder: Path, road: Road) -> None:
    """Fetch what the records need that will be visible in the end, not those that were only passed through."""
    lines = {(name, each.id): each.line for name, update in updates.items() for each in update.changes}
    fetch_missing([file for line in lines.values() if line for file in needed_by(line)], folder, road)


def _commit(
    database: ContentDatabase, published: Published, updates: Mapping[str, _Update], gone: set[str], now: float
) -> None:
    notes = {"version": published.index.version, "root": published.root, "applied_at": now, "checked_at": now}
    with database.transaction():
        for name in gone:
            database.forget(name)
        for name, update in updates.items():
            if update.anew:
                database.clear(name)
            for change in update.changes:
                if change.line is None:
                    database.delete(name, change.id)
                else:
                    database.put(name, change.line)
            if database.state_hash(name) != update.collection.state_hash:
                raise _DifferentStateError(name)
            database.set_cursor(name, update.collection.cursor, update.collection.state_hash)
        for key, value in notes.items():
            database.set_meta(key, value)
