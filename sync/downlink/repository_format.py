# SPDX-License-Identifier: EUPL-1.2
"""The content repository's own format, as contracts/content/README.md describes it; publisher and device share it.

Pure: parses and writes bytes, touches no file and no network. Everything parsed here is hostile until it is checked.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import zstandard

from edge_core.errors import ContentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FORMAT = 1
INDEX = "index.json.zst"  # the one target of the TUF metadata; it names everything else by SHA-256
RELEASES_ROLE, RELEASES = "releases", "releases/releases.json"  # who says what devices run, and in which target
MAX_FILE = 64 << 20  # bytes of one snapshot, segment or blob as it is stored
MAX_TEXT = 256 << 20  # bytes of a snapshot or segment once decompressed
LANGUAGES = ("fr", "en", "es", "oc")

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,98}[a-z0-9])?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REMEDY = "Publish it again with `parvis publish`, or look for what changed it on the way."


@dataclass(frozen=True)
class FileRef:
    """One immutable file of the repository: its digest is its name."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Snapshot:
    """All records of a collection as of a cursor."""

    cursor: int
    file: FileRef


@dataclass(frozen=True)
class Segment:
    """The changes that lead a collection from one cursor to the next."""

    start: int
    end: int
    file: FileRef


@dataclass(frozen=True)
class Collection:
    """Where a collection stands: its cursor, the SHA-256 of its lines in order of id, and how to get there."""

    cursor: int
    state_hash: str
    snapshot: Snapshot
    segments: tuple[Segment, ...] = ()

    def path_from(self, cursor: int | None) -> tuple[Snapshot | None, tuple[Segment, ...]]:
        """Return what a device at `cursor` must apply: a snapshot or none, then segments in order."""
        if cursor == self.cursor:
            return None, ()
        chain = self._chain(cursor) if cursor is not None else None
        return (None, chain) if chain is not None else self.from_scratch()

    def from_scratch(self) -> tuple[Snapshot, tuple[Segment, ...]]:
        """Return the snapshot and the segments after it."""
        return self.snapshot, self._chain(self.snapshot.cursor) or ()

    def _chain(self, cursor: int) -> tuple[Segment, ...] | None:
        by_start = {segment.start: segment for segment in self.segments}
        chain: list[Segment] = []
        while cursor != self.cursor:
            segment = by_start.get(cursor)
            if segment is None:
                return None
            chain.append(segment)
            cursor = segment.end
        return tuple(chain)


@dataclass(frozen=True)
class Index:
    """One published version: every collection and where its files are.

    `publishers`: others that sign records of their own, with the patterns of these (`ownership`).
    """

    version: int
    collections: Mapping[str, Collection]
    publishers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """One line of a segment: the record's new line, or None when it is taken away."""

    id: str
    line: str | None


def is_slug(text: str) -> bool:
    """Tell whether `text` may be the id of a record or collection: a to z, 0 to 9, inner "-" and "_", at most 100."""
    return _SLUG.fullmatch(text) is not None


def is_sha256(text: str) -> bool:
    """Tell whether `text` is a digest in lower-case hex."""
    return _SHA256.fullmatch(text) is not None


def snapshot_path(file: FileRef) -> str:
    """Return where a snapshot stands in a repository."""
    return f"snapshots/{file.sha256}.jsonl.zst"


def segment_path(file: FileRef) -> str:
    """Return where a segment stands in a repository."""
    return f"segments/{file.sha256}.jsonl.zst"


def blob_path(sha256: str) -> str:
    """Return where a blob stands in a repository."""
    return f"blobs/{sha256}"


def canonical(record: Mapping[str, Any]) -> str:
    """Return a record as its line: JSON with sorted keys, no spaces, characters as they are (RFC 8785)."""
    return json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def state_hash(lines: Iterable[str]) -> str:
    """Return the SHA-256 (hex) of lines given in order of id, each ended by a line feed."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()


def hash_of(lines: Mapping[str, str]) -> str:
    """Return the state hash of lines by id, in any order."""
    return state_hash(lines[key] for key in sorted(lines))


def applied(lines: Mapping[str, str], changes: Iterable[Change]) -> dict[str, str]:
    """Return what lines by id become by changes, in their order."""
    after = dict(lines)
    for change in changes:
        if change.line is None:
            after.pop(change.id, None)
        else:
            after[change.id] = change.line
    return after


def pack(lines: Iterable[str]) -> bytes:
    """Return lines as a compressed file; the same lines give the same bytes."""
    return zstandard.ZstdCompressor(level=10).compress("".join(f"{line}\n" for line in lines).encode())


def unpack(data: bytes, limit: int = MAX_TEXT) -> list[str]:
    """Return the lines of a compressed file. Raises ContentError when it is damaged or swells beyond `limit` bytes."""
    try:
        with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)) as stream:
            text = stream.read(limit + 1)
        if len(text) <= limit:
            # not splitlines(): U+2028 and its kind may stand inside a JSON text
            return text.decode().removesuffix("\n").split("\n") if text else []
    except (zstandard.ZstdError, UnicodeDecodeError) as error:
        raise ContentError(f"A content file can't be decompressed ({error}).", remedy=_REMEDY) from error
    raise ContentError(f"A content file is larger than {limit} bytes once decompressed.", remedy=_REMEDY)


def write_segment(changes: Iterable[Change]) -> bytes:
    """Return changes as a segment file."""
    return pack(
        canonical({"delete": change.id}) if change.line is None else f'{{"put":{change.line}}}' for change in changes
    )


def read_segment(data: bytes) -> list[Change]:
    """Return the changes of a segment file. Raises ContentError."""
    return [_change(_object(line)) for line in unpack(data)]


def read_snapshot(data: bytes) -> list[Change]:
    """Return the records of a snapshot file, each as a change that puts it. Raises ContentError."""
    return [_change({"put": _object(line)}) for line in unpack(data)]


def _change(row: dict[str, Any]) -> Change:
    if set(row) == {"delete"} and isinstance(row["delete"], str) and is_slug(row["delete"]):
        return Change(row["delete"], None)
    record = row.get("put")
    if set(row) != {"put"} or not isinstance(record, dict):
        raise ContentError("A line of a segment neither puts nor deletes a record.", remedy=_REMEDY)
    if not isinstance(record.get("id"), str) or not is_slug(record["id"]):
        raise ContentError("A record has no valid id.", remedy=_REMEDY)
    return Change(record["id"], canonical(record))


def write_index(index: Index) -> bytes:
    """Return an index as its compressed file."""
    collections = {name: _collection_json(entry) for name, entry in index.collections.items()}
    row: dict[str, Any] = {"format": FORMAT, "version": index.version, "collections": collections}
    if index.publishers:
        row["publishers"] = {name: {"owns": list(owns)} for name, owns in index.publishers.items()}
    return pack([canonical(row)])


def _collection_json(entry: Collection) -> dict[str, Any]:
    return {
        "cursor": entry.cursor,
        "state_hash": entry.state_hash,
        "snapshot": {"cursor": entry.snapshot.cursor, **vars(entry.snapshot.file)},
        "segments": [{"from": each.start, "to": each.end, **vars(each.file)} for each in entry.segments],
    }


def read_index(data: bytes) -> Index:
    """Return the index in a compressed file. Raises ContentError when anything in it is not as the format says."""
    row = _object("\n".join(unpack(data, limit=8 << 20)))
    if row.get("format") != FORMAT:
        raise ContentError(
            f"The repository has format {row.get('format')!r} where {FORMAT} is read.",
            remedy="Update Parvis on this device.",
        )
    try:
        collections = {_named(name): _collection(entry) for name, entry in row["collections"].items()}
        publishers = {_named(name): _patterns(each["owns"]) for name, each in row.get("publishers", {}).items()}
        return Index(_count(row["version"]), collections, publishers)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ContentError(f"The repository's index is malformed ({error!r}).", remedy=_REMEDY) from error


def _patterns(row: object) -> tuple[str, ...]:
    if not isinstance(row, list) or not all(isinstance(each, str) for each in row):
        raise ValueError("a publisher without a list of what it owns")
    return tuple(row)


def _collection(row: Mapping[str, Any]) -> Collection:
    snapshot = row["snapshot"]
    entry = Collection(
        _count(row["cursor"]),
        _digest(row["state_hash"]),
        Snapshot(_count(snapshot["cursor"]), _file(snapshot)),
        tuple(Segment(_count(each["from"]), _count(each["to"]), _file(each)) for each in row["segments"]),
    )
    if any(segment.start >= segment.end for segment in entry.segments):
        raise ValueError("a segment leads backwards")
    reached = entry.from_scratch()
    if (reached[1][-1].end if reached[1] else entry.snapshot.cursor) != entry.cursor:
        raise ValueError("the segments don't lead from the snapshot to the cursor")
    return entry


def _file(row: Mapping[str, Any]) -> FileRef:
    size = _count(row["bytes"])
    if size > MAX_FILE:
        raise ValueError(f"a file of {size} bytes, where {MAX_FILE} is the most")
    return FileRef(_digest(row["sha256"]), size)


def _digest(text: str) -> str:
    if not is_sha256(text):
        raise ValueError("not a SHA-256")
    return text


def _named(text: str) -> str:
    if not is_slug(text):
        raise ValueError("not the name of a collection")
    return text


def _count(number: object) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ValueError(f"{number!r} is not a count")
    return number


def _object(line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ContentError(f"A content file holds a line that is not JSON ({error}).", remedy=_REMEDY) from error
    if not isinstance(row, dict):
        raise ContentError("A content file holds a line that is not an object.", remedy=_REMEDY)
    return row
