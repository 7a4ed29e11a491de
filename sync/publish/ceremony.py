# SPDX-License-Identifier: EUPL-1.2
"""Changes the signed root: rotates and revokes keys, and gathers signatures from people who keep root keys apart.

A new root needs the threshold of the root before it and its own (theupdateframework.github.io/specification, 5.3.4), so
a device follows from any root that it trusts, one version after the other. Until enough have signed, the new root waits
as `next.root.json` and the old one stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Metadata, Root

from edge_core.errors import ContentError
from sync.publish import keys

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_WAITING = "next.root.json"


@dataclass(frozen=True)
class Outcome:
    """Which root version stands or waits, and how many signatures it has of those that it still needs."""

    version: int
    installed: bool
    signatures: int
    needed: int


def rotate(folder: Path, role: str, root_folders: Sequence[Path], now: float) -> Outcome:
    """Replace every key of a role by a new one. Raises ContentError."""
    if role not in ("root", *keys.ONLINE):
        raise ContentError(f'There is no role "{role}".', remedy=f"Roles are: root, {', '.join(keys.ONLINE)}.")
    root = _draft(folder, now)
    return _replace(folder, root, {role: list(root.roles[role].keyids)}, root_folders)


def revoke(folder: Path, key: str, root_folders: Sequence[Path], now: float) -> Outcome:
    """Replace one key, named by its id or its file's name, wherever it is used: it was lost, or somebody else has it.

    The key itself isn't needed where the other root keys reach the threshold. Raises ContentError.
    """
    root = _draft(folder, now)
    key_id = _key_id(folder, key, root)
    used = {role: [key_id] for role, each in root.roles.items() if key_id in each.keyids}
    return _replace(folder, root, used, root_folders)


def renew(folder: Path, root_folders: Sequence[Path], now: float) -> Outcome:
    """Put off the root's expiry; no key changes."""
    return _replace(folder, _draft(folder, now), {}, root_folders)


def sign(folder: Path, root_folders: Sequence[Path]) -> Outcome:
    """Add the signatures of root keys in these folders to the root that waits. Raises ContentError."""
    waiting = keys.read_root(folder / _WAITING, "Nothing waits: begin with `parvis keys rotate` or `revoke`.")
    return _sign_and_install(folder, waiting, _signers([folder, *root_folders]))


def _draft(folder: Path, now: float) -> Root:
    """Return the next root, so far like the one that stands."""
    if (folder / _WAITING).exists():
        raise ContentError(
            f"{folder / _WAITING} waits for signatures already.",
            remedy="Complete it with `parvis keys sign`, or delete it to begin anew.",
        )
    root = Root.from_dict(keys.load_root(folder).signed.to_dict())
    root.version += 1
    root.expires = keys.expiry(now)
    return root


def _key_id(folder: Path, key: str, root: Root) -> str:
    path = folder / key
    if path.is_file():
        named = [key_id for key_id, (file, _) in keys.signers_in(folder).items() if file == path]
        key = named[0] if named else key
    found = [key_id for key_id in root.keys if key_id.startswith(key)] if len(key) >= 8 else []
    if len(found) != 1:
        raise ContentError(
            f'"{key}" is no key that root.json names.',
            remedy="Give its file in the folder, or the first 8 or more digits of its id in root.json.",
        )
    return found[0]


def _replace(folder: Path, root: Root, gone: dict[str, list[str]], root_folders: Sequence[Path]) -> Outcome:
    """Write new keys beside the old ones, sign with what is here, and put the old files out of the way."""
    before = {key_id: path for key_id, (path, _) in keys.signers_in(folder).items()}
    signers = _signers([folder, *root_folders])
    made: list[tuple[Path, CryptoSigner]] = []
    for role, key_ids in gone.items():
        for key_id in key_ids:
            signer = CryptoSigner.generate_ed25519()
            root.revoke_key(key_id, role)
            root.add_key(signer.public_key, role)
            made.append((_free_name(folder, before.get(key_id), role, root.version), signer))
    for path, signer in made:
        keys.write_secret(path, signer)
        signers[signer.public_key.keyid] = signer
    return _sign_and_install(folder, Metadata(root), signers)


def _free_name(folder: Path, before: Path | None, role: str, version: int) -> Path:
    """Return a name for a new key that is not in use: the version of the root that brings it is part of it."""
    stem = before.stem.split(".")[0] if before else role
    path, number = folder / f"{stem}.{version}.pem", 0
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.{version}.pem"
    return path


def _signers(folders: Sequence[Path]) -> dict[str, CryptoSigner]:
    return {key_id: signer for each in folders for key_id, (_, signer) in keys.signers_in(each).items()}


def _sign_and_install(folder: Path, metadata: Metadata[Root], signers: dict[str, CryptoSigner]) -> Outcome:
    """Sign with every root key at hand; install the root once the old and the new threshold are reached."""
    standing = keys.load_root(folder).signed
    wanted = {*standing.roles["root"].keyids, *metadata.signed.roles["root"].keyids}
    for key_id, signer in signers.items():
        if key_id in wanted:
            metadata.sign(signer, append=True)
    version = metadata.signed.version
    counted = [_count(root, metadata) for root in (standing, metadata.signed)]
    worst = min(counted, key=lambda pair: pair[0] - pair[1])
    if not _is_complete(standing, metadata):
        (folder / _WAITING).write_bytes(metadata.to_bytes())
        return Outcome(version, installed=False, signatures=worst[0], needed=worst[1])
    keys.install_root(folder, metadata)
    (folder / _WAITING).unlink(missing_ok=True)
    _retire(folder, set(standing.keys) - set(metadata.signed.keys))
    return Outcome(version, installed=True, signatures=worst[0], needed=worst[1])


def _count(root: Root, metadata: Metadata[Root]) -> tuple[int, int]:
    result = root.get_verification_result("root", metadata.signed_bytes, metadata.signatures)
    return len(result.signed), result.threshold


def _is_complete(standing: Root, metadata: Metadata[Root]) -> bool:
    try:
        standing.verify_delegate("root", metadata.signed_bytes, metadata.signatures)
        metadata.signed.verify_delegate("root", metadata.signed_bytes, metadata.signatures)
    except UnsignedMetadataError:
        return False
    return True


def _retire(folder: Path, gone: set[str]) -> None:
    """Move private keys that root.json named until now into `retired/`; the key of releases was never one of them."""
    for key_id, (path, _) in keys.signers_in(folder).items():
        if key_id in gone:
            (folder / "retired").mkdir(exist_ok=True, mode=0o700)
            path.replace(folder / "retired" / path.name)
