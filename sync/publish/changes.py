# SPDX-License-Identifier: EUPL-1.2
"""Decides how a collection gets from what was published to what is wanted: a small segment, or a new snapshot; pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sync.downlink.repository_format import (
    Change,
    Collection,
    FileRef,
    Segment,
    Snapshot,
    applied,
    hash_of,
    pack,
    read_segment,
    read_snapshot,
    segment_path,
    snapshot_path,
    write_segment,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST_SEGMENTS = 8  # kept for devices that were away; one that was away for longer takes the snapshot

Lines = dict[str, str]
"""A collection's records: id to line."""


@dataclass(frozen=True)
class Step:
    """A collection's new entry in the index, the files that it needs, and what changed."""

    collection: Collection
    files: Mapping[str, bytes] = field(default_factory=dict)  # by path inside the repository
    added: int = 0
    changed: int = 0
    removed: int = 0


def replay(collection: Collection, read: Callable[[str], bytes]) -> Lines:
    """Return the records that a published collection leads to. Raises ContentError or OSError."""
    snapshot, segments = collection.from_scratch()
    changes = read_snapshot(read(snapshot_path(snapshot.file)))
    for segment in segments:
        changes += read_segment(read(segment_path(segment.file)))
    return applied({}, changes)


def step(before: Collection | None, old: Lines | None, new: Lines) -> Step:
    """Return how to publish `new` after `before`, which holds `old` (None when its files are lost)."""
    if before is not None and old == new:
        return Step(before)
    changes = _difference(old or {}, new)
    counts = {
        "added": len(new.keys() - (old or {}).keys()),
        "removed": len((old or {}).keys() - new.keys()),
        "changed": len(new.keys() & {each.id for each in changes} & (old or {}).keys()),
    }
    cursor = before.cursor + 1 if before else 1
    segment = write_segment(changes)
    if before is not None and old is not None and _is_worth_a_segment(before, len(segment)):
        file = _ref(segment)
        kept = (*before.segments, Segment(before.cursor, cursor, file))[-MOST_SEGMENTS:]
        entry = Collection(cursor, hash_of(new), before.snapshot, kept)
        return Step(entry, {segment_path(file): segment}, **counts)
    return _with_snapshot(before, new, None if old is None else segment, counts)


def _is_worth_a_segment(before: Collection, size: int) -> bool:
    """Tell whether the segments since the last snapshot are still few, and together smaller than it is."""
    since = before.from_scratch()[1]
    together = size + sum(each.file.bytes for each in since)
    return len(since) < MOST_SEGMENTS - 1 and together < max(before.snapshot.file.bytes, 4096)


def _with_snapshot(before: Collection | None, new: Lines, segment: bytes | None, counts: dict[str, int]) -> Step:
    """Devices that are up to date still get a segment, when it is smaller than the snapshot."""
    data = pack(new[key] for key in sorted(new))
    file = _ref(data)
    cursor = before.cursor + 1 if before else 1
    files: dict[str, bytes] = {snapshot_path(file): data}
    segments: tuple[Segment, ...] = ()
    if before is not None and segment is not None and len(segment) < len(data):
        last = Segment(before.cursor, cursor, _ref(segment))
        files[segment_path(last.file)] = segment
        segments = (*before.segments, last)[-MOST_SEGMENTS:]
    return Step(Collection(cursor, hash_of(new), Snapshot(cursor, file), segments), files, **counts)


def _difference(old: Lines, new: Lines) -> list[Change]:
    gone = [Change(key, None) for key in sorted(old.keys() - new.keys())]
    return gone + [Change(key, new[key]) for key in sorted(new) if old.get(key) != new[key]]


def _ref(data: bytes) -> FileRef:
    return FileRef(hashlib.sha256(data).hexdigest(), len(data))
