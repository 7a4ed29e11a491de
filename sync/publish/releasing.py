# SPDX-License-Identifier: EUPL-1.2
"""Signs which release devices install, and how many of them, into the same repository as content.

The role `releases` has a key of its own: who may change what people read needn't be who may change what devices run.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, MetaFile, TargetFile, Targets

from edge_core.errors import ContentError
from sync.downlink.repository_format import RELEASES, RELEASES_ROLE, FileRef
from sync.publish import keys, publishers, signing
from sync.publish.folder import Folder
from sync.release import channel as channels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sync.release.channel import Channel

_KEY, _NEXT = "releases.pem", "releases.next.pem"


def with_releases(others: Delegations | None, folder: Path, signed_by: Sequence[str] = (_KEY,)) -> Delegations | None:
    """Return what the park's targets metadata delegates: to `others`, and to who has one of the keys so called."""
    found = [_signer(folder, name).public_key for name in signed_by if (folder / name).exists()]
    if not found:
        return others
    keyed = {key.keyid: key for key in found}
    role = DelegatedRole(RELEASES_ROLE, list(keyed), threshold=1, terminating=True, paths=[RELEASES])
    known = (others.keys, others.roles or {}) if others is not None else ({}, {})
    return Delegations({**known[0], **keyed}, {**known[1], RELEASES_ROLE: role})


def publish(bundles: Sequence[Path], repository: Path, key_folder: Path, now: float, stage: int) -> Channel:
    """Put bundles of one release into the repository, for `stage` per cent of devices. Raises ContentError."""
    named = [(channels.parts_of(bundle.name), bundle) for bundle in bundles]
    releases = {release for (release, _), _ in named}
    if len(releases) != 1:
        raise ContentError(
            f"The bundles are of {len(releases)} releases ({', '.join(sorted(releases))}).",
            remedy="Give those of one: the same version and digits in their names.",
        )
    files: dict[str, bytes] = {}
    references = {}
    for (_, place), bundle in named:
        try:
            data = bundle.read_bytes()
        except OSError as error:
            raise ContentError(f"{bundle} can't be read ({error.strerror}).", remedy="Make it: make bundle.") from error
        if not 0 < len(data) <= channels.MOST_BYTES:
            raise ContentError(
                f"{bundle} has {len(data)} bytes, where devices take 1 to {channels.MOST_BYTES}.",
                remedy="Make it anew: make bundle.",
            )
        references[place] = FileRef(hashlib.sha256(data).hexdigest(), len(data))
        files[channels.bundle_path(references[place])] = data
    if not (key_folder / _KEY).exists():
        keys.load_root(key_folder)
        keys.write_secret(key_folder / _KEY, CryptoSigner.generate_ed25519())
    return _say(
        repository, key_folder, now, lambda before: channels.first(before, releases.pop(), references, stage), files
    )


def change(repository: Path, key_folder: Path, now: float, word: Callable[[Channel], Channel]) -> Channel:
    """Sign what follows from the word that stands. Raises ContentError where there is none."""

    def later(before: Channel | None) -> Channel:
        if before is None:
            raise ContentError("The repository names no release yet.", remedy="Begin: parvis release publish.")
        return word(before)

    return _say(repository, key_folder, now, later, {})


def replace_key(repository: Path, key_folder: Path, now: float) -> Channel | None:
    """Sign the word that stands with a new key: devices believe the old one, lost or stolen, no more from then on.

    The old one goes to `retired/`. Interrupted, it is completed by calling again; until then the new key waits beside
    the old one. Return the word, None where none stands. Raises ContentError.
    """
    old = _signer(key_folder, _KEY).public_key.keyid
    if not (key_folder / _NEXT).exists():
        keys.write_secret(key_folder / _NEXT, CryptoSigner.generate_ed25519())
    word = standing(repository, key_folder)[0]
    if word is not None:
        _say(repository, key_folder, now, lambda before: before or word, {}, signed_by=_NEXT)
    retired = key_folder / "retired" / f"releases-{old[:8]}.pem"
    retired.parent.mkdir(exist_ok=True, mode=0o700)
    if not retired.exists():
        retired.hardlink_to(key_folder / _KEY)
    (key_folder / _NEXT).replace(key_folder / _KEY)
    return word


def standing(repository: Path, key_folder: Path) -> tuple[Channel | None, int]:
    """Return the word that stands and its metadata's version; (None, 0) where there is none. Raises ContentError."""
    version = publishers.newest(repository / "metadata", RELEASES_ROLE)
    if not version:
        return None, 0
    try:
        metadata = Metadata[Targets].from_bytes(
            (repository / "metadata" / f"{version}.{RELEASES_ROLE}.json").read_bytes()
        )
        trust = Targets(delegations=with_releases(None, key_folder, (_KEY, _NEXT)))
        trust.verify_delegate(RELEASES_ROLE, metadata.signed_bytes, metadata.signatures)
        target = metadata.signed.targets[RELEASES]
        data = (repository / _target_path(target)).read_bytes()
        target.verify_length_and_hashes(data)
    except (OSError, RepositoryError, KeyError, ValueError) as error:
        raise ContentError(
            f"What {repository} says of releases was not signed by these keys ({error}).",
            remedy="Name the folder of keys that it was published with.",
        ) from error
    return channels.read(data), version


def _say(
    repository: Path,
    key_folder: Path,
    now: float,
    word: Callable[[Channel | None], Channel],
    files: dict[str, bytes],
    *,
    signed_by: str = _KEY,
) -> Channel:
    root = keys.load_root(key_folder).signed
    signers = {role: keys.load_signer(key_folder, role, root) for role in signing.LASTS}
    target = Folder(repository)
    with target.locked():
        try:
            before = signing.verify(target.read, root)
        except OSError as error:
            raise ContentError(
                f"There is no content repository in {repository} ({error}).", remedy="Begin: parvis publish."
            ) from error
        known, version = standing(repository, key_folder)
        said = word(known)
        data = channels.write(said)
        signed = TargetFile.from_data(RELEASES, data, ["sha256"])
        metadata = Metadata(Targets(version + 1, expires=signing.expiry("targets", now), targets={RELEASES: signed}))
        metadata.sign(_signer(key_folder, signed_by))
        body = metadata.to_bytes()
        told = {**before.contributions, RELEASES_ROLE: MetaFile.from_data(version + 1, body, ["sha256"])}
        files |= {_target_path(signed): data, f"metadata/{version + 1}.{RELEASES_ROLE}.json": body}
        others = (each for each in publishers.load(key_folder) if each.name in before.contributions)
        delegated = with_releases(publishers.delegations(others), key_folder, (signed_by,))
        files |= signing.sign_index(before.index, before, signers, now, signing.Others(delegated, told))
        target.write(files)
        target.sweep_bundles(map(channels.bundle_path, said.bundles.values()), now)
    return said


def _target_path(target: TargetFile) -> str:
    parent, _, base = RELEASES.rpartition("/")
    return f"targets/{parent}/{target.hashes['sha256']}.{base}"


def _signer(folder: Path, name: str) -> CryptoSigner:
    found = [signer for path, signer in keys.signers_in(folder).values() if path.name == name]
    if not found:
        raise ContentError(f"{folder} holds no {name}.", remedy="Use the folder that signs this repository's releases.")
    return found[0]
