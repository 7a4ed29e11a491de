# SPDX-License-Identifier: EUPL-1.2
"""Publishes a folder of open formats into a signed repository: read, compare, sign, write, in this order.

Nothing is written before everything was read without a mistake, and the signed timestamp is written last: until then a
device sees the version before.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_core.errors import ContentError
from sync.downlink.repository_format import (
    INDEX,
    Index,
    blob_path,
    canonical,
    read_index,
    segment_path,
    snapshot_path,
    write_index,
)
from sync.publish import changes, keys, signing, source
from sync.publish.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from securesystemslib.signer import Signer
    from tuf.api.metadata import Root

_ROOT_FILE = re.compile(r"\d+\.root\.json")


@dataclass(frozen=True)
class Report:
    """What a publication did: the version that stands, per collection (added, changed, removed), and bytes written."""

    version: int
    published: bool
    changes: Mapping[str, tuple[int, int, int]]
    records: int
    bytes_written: int
    notices: tuple[str, ...]


def publish(folder: Path, repository: Path, key_folder: Path, now: float) -> Report:
    """Publish `folder` into `repository`, signed by `key_folder`, as of `now` (epoch seconds).

    Raises SourceError with every mistake of the folder, or ContentError; the repository then stands as before.
    """
    root = keys.load_root(key_folder).signed
    signers: dict[str, Signer] = {role: keys.load_signer(key_folder, role, root) for role in signing.LASTS}
    content = source.read(folder, now)
    target = Folder(repository)
    with target.locked():
        before = _standing(target, root)
        index = read_index(before.index) if before else None
        steps = _steps(content, index, target)
        version = (index.version if index else 0) + 1
        after = Index(version, {name: step.collection for name, step in steps.items()})
        changed = index is None or after.collections != index.collections
        files = {blob_path(sha256): data for sha256, data in content.blobs.items()}
        for step in steps.values():
            files |= step.files
        files |= _root_files(key_folder)
        if changed or before is None:
            files |= signing.sign_index(write_index(after), before, signers, now)
        else:
            files |= signing.renew(before, signers, now)
        written = target.write(files)
        if changed:
            _sweep(target, after, content, root, now)
    return _report(content, steps, version if changed else version - 1, written, changed=changed)


def _standing(target: Folder, root: Root) -> signing.Signed | None:
    """Return what is published already, or None where nothing is."""
    if not (target.path / "metadata" / "timestamp.json").exists():
        return None
    try:
        return signing.verify(target.read, root)
    except OSError as error:
        raise ContentError(
            f"The repository {target.path} lacks a file ({error}).",
            remedy="Restore it, or publish into an empty folder.",
        ) from error


def _steps(content: source.Content, index: Index | None, target: Folder) -> dict[str, changes.Step]:
    steps = {}
    for name, records in content.collections.items():
        new = {record_id: canonical(record) for record_id, record in records.items()}
        before = index.collections.get(name) if index else None
        old = None
        if before is not None:
            try:
                old = changes.replay(before, target.read)
            except (OSError, ContentError):
                old = None  # a file of the repository is lost or damaged: a new snapshot replaces it
        steps[name] = changes.step(before, old, new)
    return steps


def _root_files(key_folder: Path) -> dict[str, bytes]:
    """Devices follow the chain of roots, so each numbered root is published."""
    found = sorted(path for path in key_folder.glob("*.root.json") if _ROOT_FILE.fullmatch(path.name))
    return {f"metadata/{path.name}": path.read_bytes() for path in found}


def _named(index: Index, content: source.Content) -> Iterator[str]:
    for entry in index.collections.values():
        yield snapshot_path(entry.snapshot.file)
        yield from (segment_path(segment.file) for segment in entry.segments)
    yield from (blob_path(sha256) for sha256 in content.blobs)


def _sweep(target: Folder, index: Index, content: source.Content, root: Root, now: float) -> None:
    signed = signing.verify(target.read, root)
    standing = f"targets/{hashlib.sha256(signed.index).hexdigest()}.{INDEX}"
    target.sweep([*_named(index, content), standing], signed.snapshot.version, now)


def _report(
    content: source.Content, steps: dict[str, changes.Step], version: int, written: int, *, changed: bool
) -> Report:
    counts = {name: (step.added, step.changed, step.removed) for name, step in steps.items()}
    records = sum(len(each) for each in content.collections.values())
    told = {name: each for name, each in counts.items() if any(each)}
    return Report(version, changed, told, records, written, content.notices)
