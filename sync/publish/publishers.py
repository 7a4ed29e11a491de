# SPDX-License-Identifier: EUPL-1.2
"""Who besides the park publishes what: a company or an authority signs its own records with its own key.

The park's `targets` key signs which key that is, and which records are its own; devices check both, so that nobody can
sign another's page (contracts/content/README.md, Publishers). What a publisher hands in, its *contribution*, is a
folder laid out like a repository.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, MetaFile, TargetFile, Targets

from edge_core.errors import ContentError
from sync.downlink.ownership import MOST_BYTES, Claims, claims_of, foreign, publisher_index
from sync.downlink.repository_format import (
    Collection,
    Index,
    blob_path,
    hash_of,
    is_slug,
    read_index,
    segment_path,
    snapshot_path,
)
from sync.downlink.soundness import require_sound
from sync.publish import changes, keys, shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from securesystemslib.signer import Key

_FILE = "publishers.json"
RESERVED = ("root", "targets", "snapshot", "timestamp", "park", "releases")


@dataclass(frozen=True)
class Publisher:
    """A delegation: the publisher's short name, its public key, and which records are its own."""

    name: str
    key: Key
    owns: Claims


@dataclass(frozen=True)
class Contribution:
    """What a publisher signed: its metadata, its index, and every file that this names, by path."""

    publisher: Publisher
    version: int
    metadata: bytes
    index: Index
    lines: Mapping[str, Mapping[str, str]]  # collection to id to line
    files: Mapping[str, bytes]

    @property
    def meta(self) -> MetaFile:
        """Return what the snapshot says of it."""
        return MetaFile.from_data(self.version, self.metadata, ["sha256"])


def make_key(folder: Path) -> Path:
    """Make a publisher's own key in `folder`; return the file of its public half, to give to the park."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    signer = CryptoSigner.generate_ed25519()
    try:
        keys.write_secret(folder / "publisher.pem", signer)
    except FileExistsError:
        raise ContentError(
            f"{folder} holds a publisher's key already.", remedy="Name another folder, or go on with that key."
        ) from None
    public = folder / "publisher.pub.json"
    public.write_text(json.dumps(_public(signer.public_key), indent=1) + "\n", encoding="utf-8")
    return public


def delegate(folder: Path, name: str, public: Path, owns: Iterable[str]) -> Publisher:
    """Note in the park's `folder` of keys that `name` signs for the records `owns`. Raises ContentError."""
    if not is_slug(name) or name in RESERVED:
        raise ContentError(f"\"{name}\" can't be a publisher's name.", remedy='Take one such as "exemple-ardoise".')
    try:
        key = _key(json.loads(public.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ContentError(
            f"{public} is no public key ({error}).", remedy="Ask the publisher for publisher.pub.json."
        ) from error
    publisher = Publisher(name, key, claims_of(owns))
    others = {each.name: each for each in load(folder) if each.name != name}
    for other in others.values():
        both = publisher.owns.overlap(other.owns)
        if both:
            raise ContentError(f"{both} belongs to {other.name} already.", remedy="Give a record to one publisher.")
    _write(folder, [*others.values(), publisher])
    return publisher


def withdraw(folder: Path, name: str) -> None:
    """Take a delegation back. Raises ContentError where there is none."""
    known = load(folder)
    if name not in {each.name for each in known}:
        raise ContentError(f'Nothing is delegated to "{name}".', remedy="`parvis keys list` says who publishes.")
    _write(folder, [each for each in known if each.name != name])


def load(folder: Path) -> list[Publisher]:
    """Return the delegations of a folder of keys, by name. Raises ContentError."""
    path = folder / _FILE
    if not path.exists():
        return []
    try:
        rows = json.loads(path.read_bytes())
        found = [Publisher(name, _key(row["key"]), claims_of(row["owns"])) for name, row in rows.items()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ContentError(
            f"{path} can't be read ({error!r}).", remedy="Make it anew: `parvis keys delegate`."
        ) from error
    return sorted(found, key=lambda each: each.name)


def delegations(publishers: Iterable[Publisher]) -> Delegations | None:
    """Return what the park's targets metadata says of its publishers."""
    known = list(publishers)
    if not known:
        return None
    roles = {
        each.name: DelegatedRole(
            each.name, [each.key.keyid], threshold=1, terminating=True, paths=[publisher_index(each.name)]
        )
        for each in known
    }
    return Delegations({each.key.keyid: each.key for each in known}, roles)


def sign(name: str, index: bytes, version: int, folder: Path, expires: datetime) -> tuple[bytes, str]:
    """Return a publisher's signed metadata for its index, and the path of that index."""
    signer = next((each for _, each in keys.signers_in(folder).values()), None)
    if signer is None:
        raise ContentError(
            f"{folder} holds no publisher's key.", remedy=f"Make it: parvis keys make --publisher {folder}."
        )
    path = publisher_index(name)
    target = TargetFile.from_data(path, index, ["sha256"])
    metadata = Metadata(Targets(version=version, expires=expires, targets={path: target}))
    metadata.sign(signer)
    parent, _, base = path.rpartition("/")
    return metadata.to_bytes(), f"targets/{parent}/{target.hashes['sha256']}.{base}"


def newest(path: Path, name: str) -> int:
    """Return the version of a publisher's newest metadata in a folder's `metadata/`; 0 where there is none."""
    stem = f".{name}.json"
    found = [each.name.removesuffix(stem) for each in path.glob(f"*{stem}")]
    return max((int(number) for number in found if number.isdecimal()), default=0)


def read(contribution: Path, publisher: Publisher, now: float) -> Contribution:
    """Return what a publisher handed in, verified as a device will. Raises ContentError."""
    version = newest(contribution / "metadata", publisher.name)
    try:
        data = (contribution / "metadata" / f"{version}.{publisher.name}.json").read_bytes()
        metadata = Metadata[Targets].from_bytes(data)
        _require_signed(publisher, metadata, version, now)
        path = publisher_index(publisher.name)
        target = metadata.signed.targets[path]
        parent, _, base = path.rpartition("/")
        index_path = f"targets/{parent}/{target.hashes['sha256']}.{base}"
        packed = (contribution / index_path).read_bytes()
        target.verify_length_and_hashes(packed)
        return _whole(contribution, publisher, version, data, {index_path: packed})
    except (OSError, RepositoryError, KeyError) as error:
        raise ContentError(
            f"What {publisher.name} handed in at {contribution} can't be used ({error}).",
            remedy="Ask for it again: parvis publish … --publisher.",
        ) from error


def _require_signed(publisher: Publisher, metadata: Metadata[Targets], version: int, now: float) -> None:
    if not isinstance(metadata.signed, Targets) or metadata.signed.version != version:
        raise ContentError(f"The metadata of {publisher.name} is not what its name says.", remedy="Ask for it again.")
    trust = Targets(delegations=delegations([publisher]))
    trust.verify_delegate(publisher.name, metadata.signed_bytes, metadata.signatures)
    if metadata.signed.is_expired(datetime.fromtimestamp(now, UTC)):
        raise ContentError(f"What {publisher.name} signed has expired.", remedy="Ask for it again.")


def _whole(
    contribution: Path, publisher: Publisher, version: int, metadata: bytes, files: Mapping[str, bytes]
) -> Contribution:
    index = read_index(next(iter(files.values())))
    gathered = dict(files)

    def taken(name: str) -> bytes:
        path = contribution / name
        if name not in gathered:
            if path.stat().st_size + sum(map(len, gathered.values())) > MOST_BYTES:
                raise ContentError(
                    f"{publisher.name} publishes more than one may.", remedy=f"Keep it under {MOST_BYTES} bytes."
                )
            gathered[name] = path.read_bytes()
        return gathered[name]

    lines = {name: changes.replay(entry, taken) for name, entry in index.collections.items()}
    for name, entry in index.collections.items():
        _require_good(publisher, name, entry, lines[name])
    for entry in index.collections.values():  # segments before the snapshot too: devices may stand there
        for segment in entry.segments:
            _verified(taken, segment_path(segment.file), segment.file.sha256)
        _verified(taken, snapshot_path(entry.snapshot.file), entry.snapshot.file.sha256)
    for line in (line for records in lines.values() for line in records.values()):
        for sha256 in json.loads(line).get("blobs", {}):
            _verified(taken, blob_path(sha256), sha256)
    return Contribution(publisher, version, metadata, index, lines, gathered)


def _require_good(publisher: Publisher, name: str, entry: Collection, lines: Mapping[str, str]) -> None:
    """Raise ContentError unless a collection is the publisher's own, as it says, and as the contract says."""
    if hash_of(lines) != entry.state_hash:
        raise ContentError(
            f"The collection {name} of {publisher.name} does not come out as it says.", remedy="Ask for it again."
        )
    for record_id, line in lines.items():
        if strange := foreign(publisher.owns, name, record_id):
            raise ContentError(
                f"{publisher.name} publishes {strange}, which is not its own.",
                remedy="Give it that record with `parvis keys delegate`, or ask for a new contribution.",
            )
        shapes.require(publisher.name, name, json.loads(line))
    require_sound(f"{publisher.name}/{name}", lines)


def _verified(taken: Callable[[str], bytes], path: str, sha256: str) -> None:
    if hashlib.sha256(taken(path)).hexdigest() != sha256:
        raise ContentError(f"{path} is damaged.", remedy="Ask its publisher for it again.")


def _public(key: Key) -> dict[str, Any]:
    return {"keyid": key.keyid, **key.to_dict()}


def _key(row: dict[str, Any]) -> Key:
    parts = dict(row)
    return SSlibKey.from_dict(parts.pop("keyid"), parts)


def _write(folder: Path, publishers: Iterable[Publisher]) -> None:
    rows = {each.name: {"key": _public(each.key), "owns": list(each.owns.patterns)} for each in publishers}
    fresh = folder / f".{_FILE}.new"
    fresh.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    fresh.replace(folder / _FILE)
