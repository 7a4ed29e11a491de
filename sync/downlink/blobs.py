# SPDX-License-Identifier: EUPL-1.2
"""Keeps the folder of blobs: files named by their SHA-256, there before the records that need them are visible."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from edge_core import durable
from edge_core.errors import ContentError
from sync.downlink.repository_format import MAX_FILE, FileRef, blob_path, is_sha256, segment_path, snapshot_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from sync.downlink.repository_format import Index
    from sync.downlink.road import Road

_ROOM = 8 << 20  # bytes of the disk that content leaves to sessions and events
_KEPT = 86_400  # seconds that a blob stays after its last record went: a page that shows it may be open


def needed_by(line: str) -> list[FileRef]:
    """Return the blobs that a record's line names. Raises ContentError when it names what can't be a blob."""
    named = json.loads(line).get("blobs", {})
    if not isinstance(named, dict):
        raise ContentError("A record names its blobs wrongly.", remedy="Publish the repository again.")
    for sha256, size in named.items():
        if not is_sha256(sha256) or not isinstance(size, int) or not 0 <= size <= MAX_FILE:
            raise ContentError(
                f"A record needs a blob that can't be fetched ({sha256[:80]!r}, {size!r} bytes).",
                remedy="Publish the repository again.",
            )
    return [FileRef(sha256, size) for sha256, size in named.items()]


def fetch_missing(
    files: Iterable[FileRef], folder: Path, road: Road, progress: Callable[[int, int], None] | None = None
) -> int:
    """Fetch the blobs that aren't here, verified and on disk; return how many. Raises as Road.fetch, and OSError."""
    missing = {file.sha256: file for file in files if not is_here(file, folder)}
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        require_room(sum(file.bytes for file in missing.values()), folder)
    for done, file in enumerate(missing.values()):
        if progress is not None:
            progress(done, len(missing))
        road.fetch_to(blob_path(file.sha256), file, folder / file.sha256)
    if missing:
        durable.settle(folder)  # a record that is on the disk must not name a file that a power cut takes back
    return len(missing)


def is_here(file: FileRef, folder: Path) -> bool:
    """Tell whether a blob is in the folder, whole."""
    path = folder / file.sha256
    return path.is_file() and path.stat().st_size == file.bytes


def sweep(folder: Path, needed: Mapping[str, int], now: float) -> int:
    """Take away what no record has needed for a day, and what a cut left half-written; return how many files."""
    old = [
        path
        for path in folder.glob("*")
        if path.name not in needed and path.is_file() and path.stat().st_mtime < now - _KEPT
    ]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def sweep_mirror(folder: Path, indexes: Iterable[Index]) -> None:
    """Take away the snapshots and segments, kept for neighbours, that no index names any more."""
    entries = [entry for index in indexes for entry in index.collections.values()]
    keep = {folder / snapshot_path(entry.snapshot.file) for entry in entries}
    keep |= {folder / segment_path(each.file) for entry in entries for each in entry.segments}
    for path in folder.glob("*/*"):
        if path not in keep:
            path.unlink(missing_ok=True)


def require_room(size: int, folder: Path) -> None:
    """Leave the disk some room for sessions and events. Raises ContentError where `size` bytes more would take it."""
    free = shutil.disk_usage(folder).free
    if free < size + _ROOM:
        raise ContentError(
            f"The disk has {free} bytes free where new content needs {size + _ROOM}.",
            remedy=f"Make room on the disk of {folder}.",
        )
