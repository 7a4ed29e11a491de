# SPDX-License-Identifier: EUPL-1.2
"""Signs a repository's index with The Update Framework, and verifies what was signed before; pure but for keys.

The index is the only target, and names all other files by SHA-256, so that the signed metadata stays small whatever the
number of records and images. Roles and checks: theupdateframework.github.io/specification/latest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Snapshot, TargetFile, Targets, Timestamp

from edge_core.errors import ContentError
from sync.downlink.repository_format import INDEX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from securesystemslib.signer import Signer
    from tuf.api.metadata import Delegations, Root

LASTS = {"targets": timedelta(days=365), "snapshot": timedelta(days=365), "timestamp": timedelta(days=14)}
RENEWED_BEFORE = timedelta(days=7)  # metadata is signed again when less than this is left of it


@dataclass(frozen=True)
class Signed:
    """What a repository's metadata says now: versions to go on from, when it expires, and the index."""

    timestamp_version: int
    snapshot: MetaFile
    timestamp_expires: datetime
    snapshot_expires: datetime
    index: bytes
    contributions: Mapping[str, MetaFile] = field(default_factory=dict)


@dataclass(frozen=True)
class Others:
    """What other publishers sign: who may sign what, and the newest metadata of each, by name."""

    delegations: Delegations | None = None
    metadata: Mapping[str, MetaFile] = field(default_factory=dict)


def sign_index(
    index: bytes, after: Signed | None, signers: Mapping[str, Signer], now: float, others: Others | None = None
) -> dict[str, bytes]:
    """Return the files that publish `index` after what was signed before, by path, in the order of writing."""
    others = others or Others()
    version = after.snapshot.version + 1 if after else 1
    target = TargetFile.from_data(INDEX, index, ["sha256"])
    targets = Targets(
        version=version, expires=expiry("targets", now), targets={INDEX: target}, delegations=others.delegations
    )
    targets_bytes = _signed(Metadata(targets), signers["targets"])
    snapshot = Snapshot(
        version=version,
        expires=expiry("snapshot", now),
        meta={
            "targets.json": MetaFile.from_data(version, targets_bytes, ["sha256"]),
            **{f"{name}.json": meta for name, meta in others.metadata.items()},
        },
    )
    snapshot_bytes = _signed(Metadata(snapshot), signers["snapshot"])
    meta = MetaFile.from_data(version, snapshot_bytes, ["sha256"])
    return {
        f"targets/{target.hashes['sha256']}.{INDEX}": index,
        f"metadata/{version}.targets.json": targets_bytes,
        f"metadata/{version}.snapshot.json": snapshot_bytes,
        **_sign_timestamp(meta, after.timestamp_version + 1 if after else 1, signers["timestamp"], now),
    }


def renew(after: Signed, signers: Mapping[str, Signer], now: float, others: Others | None = None) -> dict[str, bytes]:
    """Return the files that put off the expiry of what was signed before; none while there is time."""
    if _is_due(after.snapshot_expires, now):
        return sign_index(after.index, after, signers, now, others)
    if _is_due(after.timestamp_expires, now):
        return _sign_timestamp(after.snapshot, after.timestamp_version + 1, signers["timestamp"], now)
    return {}


def verify(read: Callable[[str], bytes], root: Root) -> Signed:
    """Return what is signed in a repository whose files `read` gives. Expiry doesn't matter to its own publisher.

    Raises ContentError when it was not signed by the keys of `root`, OSError when a file is missing.
    """
    try:
        timestamp = _verified(Metadata[Timestamp].from_bytes(read("metadata/timestamp.json")), root)
        meta = timestamp.signed.snapshot_meta
        data = read(f"metadata/{meta.version}.snapshot.json")
        meta.verify_length_and_hashes(data)
        snapshot = _verified(Metadata[Snapshot].from_bytes(data), root)
        targets_meta = snapshot.signed.meta["targets.json"]
        data = read(f"metadata/{targets_meta.version}.targets.json")
        targets_meta.verify_length_and_hashes(data)
        target = _verified(Metadata[Targets].from_bytes(data), root).signed.targets[INDEX]
        index = read(f"targets/{target.hashes['sha256']}.{INDEX}")
        target.verify_length_and_hashes(index)
    except (RepositoryError, KeyError) as error:
        raise ContentError(
            f"The repository was not signed by these keys, or changed since ({error}).",
            remedy="Name the folder of keys that it was published with, or publish into an empty folder.",
        ) from error
    signed = timestamp.signed
    contributions = {
        name.removesuffix(".json"): each for name, each in snapshot.signed.meta.items() if name != "targets.json"
    }
    return Signed(signed.version, meta, signed.expires, snapshot.signed.expires, index, contributions)


_Role = TypeVar("_Role", Timestamp, Snapshot, Targets)


def _verified(metadata: Metadata[_Role], root: Root) -> Metadata[_Role]:
    root.verify_delegate(metadata.signed.type, metadata.signed_bytes, metadata.signatures)
    return metadata


def _sign_timestamp(snapshot: MetaFile, version: int, signer: Signer, now: float) -> dict[str, bytes]:
    timestamp = Timestamp(version=version, expires=expiry("timestamp", now), snapshot_meta=snapshot)
    return {"metadata/timestamp.json": _signed(Metadata(timestamp), signer)}


def _is_due(expires: datetime, now: float) -> bool:
    return expires - datetime.fromtimestamp(now, UTC) < RENEWED_BEFORE


def expiry(role: str, now: float) -> datetime:
    """Return when what a role signs now expires."""
    return datetime.fromtimestamp(now, UTC).replace(microsecond=0) + LASTS[role]


def _signed(metadata: Metadata[Targets] | Metadata[Snapshot] | Metadata[Timestamp], signer: Signer) -> bytes:
    metadata.sign(signer)
    return metadata.to_bytes()
