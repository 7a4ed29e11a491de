# SPDX-License-Identifier: EUPL-1.2
"""Publishes a folder of open formats into a signed repository: read, compare, sign, write, in this order.

Nothing is written before everything was read without a mistake, and the signed timestamp is written last: until then a
device sees the version before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Targets

from edge_core.errors import ContentError
from sync.downlink import ownership
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
from sync.publish import changes, keys, publishers, releasing, signing, source
from sync.publish.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from securesystemslib.signer import Signer
    from tuf.api.metadata import Root

Progress = Callable[[str, int, int], None]
"""Hears of a step (what, done, of how many), for a progress bar."""


@dataclass(frozen=True)
class Report:
    """What a publication did: the version that stands, per collection (added, changed, removed), and bytes written."""

    version: int
    published: bool
    changes: Mapping[str, tuple[int, int, int]]
    records: int
    bytes_written: int
    notices: tuple[str, ...]


def publish(
    folder: Path,
    repository: Path,
    key_folder: Path,
    now: float,
    *,
    contributions: Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Publish `folder` into `repository`, signed by `key_folder`, as of `now` (epoch seconds).

    `contributions` holds a folder for each other publisher, by name; one that isn't there stays as it was published.
    Raises SourceError with every mistake of the folder, or ContentError; the repository then stands as before.
    """
    root = keys.load_root(key_folder).signed
    signers: dict[str, Signer] = {role: keys.load_signer(key_folder, role, root) for role in signing.LASTS}
    content = source.read(folder, now, progress=progress)
    target = Folder(repository)
    with target.locked():
        before, anew = _standing(target, key_folder, root)
        theirs, notices = _contributions(key_folder, contributions, repository, now)
        index = read_index(before.index) if before else None
        steps = _steps(content, index, target, theirs)
        version = (index.version if index else 0) + 1
        owners = {each.publisher.name: each.publisher.owns.patterns for each in theirs}
        after = Index(version, {name: step.collection for name, step in steps.items()}, owners)
        # A snapshot goes on to name whoever once published here, or devices would take it for an older one.
        told = dict(before.contributions) if before else {}
        others = signing.Others(
            releasing.with_releases(publishers.delegations(each.publisher for each in theirs), key_folder),
            told | {each.publisher.name: each.meta for each in theirs},
        )
        changed = _differs(before, index, after, others)
        files = {blob_path(sha256): data for sha256, data in content.blobs.items()}
        for step in steps.values():
            files |= step.files
        for each in theirs:
            files |= each.files
            files[f"metadata/{each.version}.{each.publisher.name}.json"] = each.metadata
        files |= _root_files(key_folder)
        if changed or before is None or anew:
            data = write_index(after) if changed or before is None else before.index
            files |= signing.sign_index(data, before, signers, now, others)
        else:
            files |= signing.renew(before, signers, now, others)
        written = target.write(files, progress)
        if changed:
            _sweep(target, after, content, theirs, root, now)
    said = (*content.notices, *notices)
    return _report(content, steps, version if changed else version - 1, written, said, changed=changed)


def contribute(folder: Path, contribution: Path, key_folder: Path, name: str, now: float) -> Report:
    """Publish `folder` as the publisher `name` into `contribution`, a folder to hand to the park.

    Raises SourceError or ContentError; the contribution then stands as before.
    """
    content = source.read(folder, now, whole=False)
    target = Folder(contribution)
    with target.locked():
        version = publishers.newest(contribution / "metadata", name)
        index = _own_index(contribution, name, version) if version else None
        version = max(version + 1, int(now))  # grows even where the folder before was lost
        steps = _steps(content, index, target, ())
        after = Index((index.version if index else 0) + 1, {each: step.collection for each, step in steps.items()})
        files = {blob_path(sha256): data for sha256, data in content.blobs.items()}
        for step in steps.values():
            files |= step.files
        metadata, path = publishers.sign(name, write_index(after), version, key_folder, signing.expiry("targets", now))
        files |= {path: write_index(after), f"metadata/{version}.{name}.json": metadata}
        written = target.write(files)
    return _report(content, steps, after.version, written, content.notices, changed=True)


def _own_index(contribution: Path, name: str, version: int) -> Index | None:
    """Return what this publisher published last, as far as it can be read: the segments start from it."""
    try:
        data = (contribution / "metadata" / f"{version}.{name}.json").read_bytes()
        path = ownership.publisher_index(name)
        sha256 = Metadata[Targets].from_bytes(data).signed.targets[path].hashes["sha256"]
        parent, _, base = path.rpartition("/")
        return read_index((contribution / "targets" / parent / f"{sha256}.{base}").read_bytes())
    except (OSError, RepositoryError, KeyError, ContentError):
        return None


def _differs(before: signing.Signed | None, index: Index | None, after: Index, others: signing.Others) -> bool:
    if before is None or index is None:
        return True
    told = {name: meta.version for name, meta in before.contributions.items()}
    same = told == {name: meta.version for name, meta in others.metadata.items()}
    return after.collections != index.collections or after.publishers != index.publishers or not same


def _contributions(
    key_folder: Path, folder: Path | None, repository: Path, now: float
) -> tuple[list[publishers.Contribution], list[str]]:
    """Return what the other publishers signed: newly handed in, or as it stands; and whose part can't be used."""
    found, notices = [], []
    for publisher in publishers.load(key_folder):
        handed_in = folder / publisher.name if folder is not None else None
        new = publishers.newest(handed_in / "metadata", publisher.name) if handed_in is not None else 0
        standing = publishers.newest(repository / "metadata", publisher.name)
        if not new and not standing:
            notices.append(f"{publisher.name} has handed in nothing yet.")
            continue
        try:
            use = handed_in if handed_in is not None and new >= standing else repository
            found.append(publishers.read(use, publisher, now))
        except ContentError as error:
            notices.append(str(error))
    return found, notices


def _standing(target: Folder, key_folder: Path, root: Root) -> tuple[signing.Signed | None, bool]:
    """Return what is published already (None where nothing is), and whether other keys must sign it anew.

    After a change of keys, it was signed by those of an earlier root of ours.
    """
    if not (target.path / "metadata" / "timestamp.json").exists():
        return None, False
    try:
        try:
            return signing.verify(target.read, root), False
        except ContentError:
            for path in reversed(keys.numbered_roots(key_folder)[:-1]):
                earlier = keys.read_root(path, "Put it back.").signed
                try:
                    return signing.verify(target.read, earlier), True
                except ContentError:
                    continue
            raise
    except OSError as error:
        raise ContentError(
            f"The repository {target.path} lacks a file ({error}).",
            remedy="Restore it, or publish into an empty folder.",
        ) from error


def _steps(
    content: source.Content, index: Index | None, target: Folder, theirs: Iterable[publishers.Contribution]
) -> dict[str, changes.Step]:
    """Return each collection's way; what another publisher signs is left to it."""
    signed = {(name, key) for each in theirs for name, lines in each.lines.items() for key in lines}
    steps = {}
    for name, records in content.collections.items():
        new = {key: canonical(record) for key, record in records.items() if (name, key) not in signed}
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
    return {f"metadata/{path.name}": path.read_bytes() for path in keys.numbered_roots(key_folder)}


def _named(index: Index, content: source.Content) -> Iterator[str]:
    for entry in index.collections.values():
        yield snapshot_path(entry.snapshot.file)
        yield from (segment_path(segment.file) for segment in entry.segments)
    yield from (blob_path(sha256) for sha256 in content.blobs)


def _sweep(  # noqa: PLR0917
    target: Folder,
    index: Index,
    content: source.Content,
    theirs: Iterable[publishers.Contribution],
    root: Root,
    now: float,
) -> None:
    signed = signing.verify(target.read, root)
    standing = f"targets/{hashlib.sha256(signed.index).hexdigest()}.{INDEX}"
    others = [name for each in theirs for name in each.files]
    target.sweep([*_named(index, content), *others, standing], signed.snapshot.version, now)


def _report(
    content: source.Content,
    steps: dict[str, changes.Step],
    version: int,
    written: int,
    notices: Iterable[str],
    *,
    changed: bool,
) -> Report:
    counts = {name: (step.added, step.changed, step.removed) for name, step in steps.items()}
    records = sum(len(each) for each in content.collections.values())
    told = {name: each for name, each in counts.items() if any(each)}
    return Report(version, changed, told, records, written, tuple(notices))
