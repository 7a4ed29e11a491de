# SPDX-License-Identifier: EUPL-1.2
"""Brings content.db to what a published index says: files first, then one transaction that compares the outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from edge_core import logs
from edge_core.errors import ContentError
from sync.downlink.blobs import fetch_missing, needed_by
from sync.downlink.ownership import MOST_BYTES, Claims, foreign
from sync.downlink.repository_format import (
    Change,
    Collection,
    FileRef,
    Index,
    Segment,
    applied,
    hash_of,
    read_segment,
    read_snapshot,
    segment_path,
    snapshot_path,
)
from sync.downlink.soundness import require_sound

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sync.downlink.content_db import ContentDatabase
    from sync.downlink.road import Road

_log = logs.get(__name__)


@dataclass(frozen=True)
class Published:
    """Verified indexes, and which trusted root vouched for them.

    `publishers`: the indexes of those who sign records of their own. `refused`: names of those whose index can't be
    used now; what is here of theirs stays.
    """

    index: Index
    root: str
    publishers: Mapping[str, Index] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Update:
    """What one collection needs: its changes in order, and whether they start from nothing."""

    collection: Collection
    changes: list[Change]
    anew: bool


Progress = Callable[[int, int], None]
"""Hears how many files of how many are here."""


def apply_index(  # noqa: PLR0917  # what is there, what is wanted, and the way between
    database: ContentDatabase,
    folder: Path,
    published: Published,
    road: Road,
    now: float,
    progress: Progress | None = None,
) -> bool:
    """Make `database` and the `folder` of blobs hold what `published` says; return whether anything changed.

    Raises ContentError, NetworkError, OSError or sqlite3.Error; the database then holds what it held before.
    """
    _require_newer(database, published)
    # Another root starts versions anew: what somebody went back from then holds nothing of it back.
    same_root = database.meta("root") == published.root
    if same_root and published.index.version <= database.past.held_back():
        return False
    wanted: _Wanted = {name: (entry, None) for name, entry in published.index.collections.items()}
    updates = _updates(database, wanted, road)
    refused = set(published.refused)
    for publisher, index in published.publishers.items():
        try:
            own = _own(publisher, index, Claims(published.index.publishers[publisher]))
            updates |= _own_updates(database, own, road)
        except ContentError as error:
            _log.warning("publisher_refused", publisher=publisher, reason=str(error))
            refused.add(publisher)
        else:
            wanted |= own
    gone = {key for key in set(database.collections()) - set(wanted) if key.rpartition("/")[0] not in refused}
    plan = _Plan(wanted, updates, gone)
    published = replace(published, refused=frozenset(refused))
    return _bring(database, folder, published, plan, road, now, progress)


_Wanted = dict[str, tuple[Collection, "Claims | None"]]


@dataclass(frozen=True)
class _Plan:
    """All that one version needs, by key of collection."""

    wanted: _Wanted
    updates: dict[str, _Update]
    gone: set[str]


def _bring(  # noqa: PLR0917
    database: ContentDatabase,
    folder: Path,
    published: Published,
    plan: _Plan,
    road: Road,
    now: float,
    progress: Progress | None,
) -> bool:
    if not plan.updates and not plan.gone and database.version() == published.index.version:
        mended = [FileRef(sha256, size) for sha256, size in database.blobs().items()]
        return fetch_missing(mended, folder, road, progress) > 0
    while True:
        _fetch_blobs(plan.updates, folder, road, progress)
        try:
            _commit(database, published, plan, now)
        except _DifferentStateError as different:
            if plan.updates[different.name].anew:
                raise
            _log.warning("content_differs", collection=different.name)
            plan.updates[different.name] = _from_scratch(different.name, *plan.wanted[different.name], road)
        else:
            return True


def _own(publisher: str, index: Index, claims: Claims) -> _Wanted:
    """Return what a publisher of its own brings. Raises ContentError where it is more than one may."""
    entries = index.collections.values()
    files = [entry.snapshot.file for entry in entries] + [each.file for entry in entries for each in entry.segments]
    if sum(file.bytes for file in files) > MOST_BYTES:
        raise ContentError(f"{publisher} publishes more than one may.", remedy=f"Keep it under {MOST_BYTES} bytes.")
    return {f"{publisher}/{name}": (entry, claims) for name, entry in index.collections.items()}


def _updates(database: ContentDatabase, wanted: _Wanted, road: Road) -> dict[str, _Update]:
    found = {key: _update(database, key, entry, claims, road) for key, (entry, claims) in wanted.items()}
    return {key: update for key, update in found.items() if update is not None}


def _own_updates(database: ContentDatabase, own: _Wanted, road: Road) -> dict[str, _Update]:
    """Return what a publisher's own collections lack, each judged before anything changes. Raises ContentError."""
    updates = _updates(database, own, road)
    for key, update in updates.items():
        try:
            _require_good(database, key, update)
        except _DifferentStateError:
            if update.anew:
                raise
            updates[key] = _from_scratch(key, *own[key], road)
            _require_good(database, key, updates[key])
    return updates


def _require_good(database: ContentDatabase, key: str, update: _Update) -> None:
    lines = applied({} if update.anew else database.lines(key), update.changes)
    if hash_of(lines) != update.collection.state_hash:
        raise _DifferentStateError(key)
    require_sound(key, lines)


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


def _update(
    database: ContentDatabase, key: str, entry: Collection, claims: Claims | None, road: Road
) -> _Update | None:
    """Return what a collection lacks, or None. What is stored is compared each time, so damage heals itself."""
    cursor = database.cursor(key)
    if cursor == entry.cursor:
        if database.state_hash(key) == entry.state_hash:
            return None
        _log.warning("content_differs", collection=key)
        return _from_scratch(key, entry, claims, road)
    snapshot, segments = entry.path_from(cursor)
    if snapshot is not None:
        return _from_scratch(key, entry, claims, road)
    return _Update(entry, _claimed(key, _fetch_segments(segments, road), claims), anew=False)


def _from_scratch(key: str, entry: Collection, claims: Claims | None, road: Road) -> _Update:
    snapshot, segments = entry.from_scratch()
    changes = read_snapshot(road.fetch(snapshot_path(snapshot.file), snapshot.file))
    return _Update(entry, _claimed(key, changes + _fetch_segments(segments, road), claims), anew=True)


def _claimed(key: str, changes: list[Change], claims: Claims | None) -> list[Change]:
    """Return the changes, all of which belong to their publisher. Raises ContentError for another's record."""
    collection = key.rpartition("/")[2]
    for change in changes if claims is not None else ():
        if claims is not None and (strange := foreign(claims, collection, change.id)):
            raise ContentError(
                f"A publisher signs {strange}, which is not its own.", remedy="Ask the park to look at its publishers."
            )
    return changes


def _fetch_segments(segments: tuple[Segment, ...], road: Road) -> list[Change]:
    return [change for each in segments for change in read_segment(road.fetch(segment_path(each.file), each.file))]


def _fetch_blobs(updates: Mapping[str, _Update], folder: Path, road: Road, progress: Progress | None) -> None:
    """Fetch what the records need that will be visible in the end, not those that were only passed through."""
    lines = {(name, each.id): each.line for name, update in updates.items() for each in update.changes}
    fetch_missing([file for line in lines.values() if line for file in needed_by(line)], folder, road, progress)


def _commit(database: ContentDatabase, published: Published, plan: _Plan, now: float) -> None:
    """Change everything at once: first what goes, then what comes, so that a record may pass to another publisher."""
    notes = {"version": published.index.version, "root": published.root, "applied_at": now, "checked_at": now}
    with database.transaction():
        database.past.begin(database.version())
        coming = {key: _coming(database, key, update) for key, update in plan.updates.items()}
        coming |= {key: dict.fromkeys(database.lines(key)) for key in plan.gone}
        _exchange(database, coming, published.refused)
        for key in plan.gone:
            database.forget(key)
        for key, update in plan.updates.items():
            if database.state_hash(key) != update.collection.state_hash:
                raise _DifferentStateError(key)
            database.set_cursor(key, update.collection.cursor, update.collection.state_hash)
        for note, value in notes.items():
            database.set_meta(note, value)


_Coming = dict[str, dict[str, str | None]]


def _exchange(database: ContentDatabase, coming: _Coming, refused: frozenset[str]) -> None:
    """Note and take away every line that changes, then write the new ones."""
    for key, lines in coming.items():
        for record_id, line in lines.items():
            # The park's word replaces that of a publisher whose own is refused now.
            others = [f"{name}/{key}" for name in refused] if line is not None and "/" not in key else []
            for each in (key, *others):
                database.past.note(each, record_id, database.line(each, record_id))
                database.delete(each, record_id)
    for key, lines in coming.items():
        for line in lines.values():
            if line is not None:
                database.put(key, line)


def _coming(database: ContentDatabase, key: str, update: _Update) -> dict[str, str | None]:
    """Return the records that really change: id to new line, or None for those that go."""
    before = database.lines(key) if update.anew else {}
    after: dict[str, str | None] = dict.fromkeys(before) if update.anew else {}
    after |= {change.id: change.line for change in update.changes}
    return {record_id: line for record_id, line in after.items() if not update.anew or before.get(record_id) != line}
