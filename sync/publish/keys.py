# SPDX-License-Identifier: EUPL-1.2
"""Makes and loads the keys of a repository: a folder of private keys, and the signed root that names them.

Only `root.json` leaves the folder: devices trust it. The root's own keys may be kept offline, each with another person;
publishing doesn't need them. How the root changes is in `ceremony`.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root

from edge_core.errors import ContentError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ONLINE = ("targets", "snapshot", "timestamp")  # the roles that sign at each publication
_ROOT_LASTS = timedelta(days=5 * 365)
_NUMBERED = re.compile(r"(\d+)\.root\.json")
_MOST_ROOT_KEYS = 9


def make(folder: Path, now: float, *, root_keys: int = 1, threshold: int = 1) -> Path:
    """Make the keys of all roles in `folder` and return the path of root.json. Never overwrites a key.

    `threshold` of the `root_keys` must sign whenever the root changes.
    """
    if not 1 <= threshold <= root_keys <= _MOST_ROOT_KEYS:
        raise ContentError(
            f"{threshold} of {root_keys} root keys can't be asked for.",
            remedy=f"Take 1 to {_MOST_ROOT_KEYS} keys, and a threshold that they can reach.",
        )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    there = sorted(path.name for pattern in ("*.pem", "root.json") for path in folder.glob(pattern))
    if there:
        raise ContentError(
            f"{folder} holds keys already ({', '.join(there)}).",
            remedy="Name another folder: devices that trust these keys would refuse content signed by new ones.",
        )
    root = Root(expires=expiry(now), consistent_snapshot=True)
    signers = [(name, CryptoSigner.generate_ed25519()) for name in root_names(root_keys)]
    for _, signer in signers:
        root.add_key(signer.public_key, "root")
    root.roles["root"].threshold = threshold
    online = [(role, CryptoSigner.generate_ed25519()) for role in ONLINE]
    for role, signer in online:
        root.add_key(signer.public_key, role)
    for name, signer in (*signers, *online):
        write_secret(folder / f"{name}.pem", signer)
    metadata = Metadata(root)
    for _, signer in signers:
        metadata.sign(signer, append=True)
    return install_root(folder, metadata)


def root_names(count: int) -> list[str]:
    """Return how root keys are called: `root` alone, or numbered from `root-1`."""
    return ["root"] if count == 1 else [f"root-{number}" for number in range(1, count + 1)]


def expiry(now: float) -> datetime:
    """Return when a root that is signed now expires."""
    return datetime.fromtimestamp(now, UTC).replace(microsecond=0) + _ROOT_LASTS


def install_root(folder: Path, metadata: Metadata[Root]) -> Path:
    """Make a wholly signed root the current one; return the path of root.json."""
    for name in (f"{metadata.signed.version}.root.json", "root.json"):
        fresh = folder / f".{name}.new"
        fresh.write_bytes(metadata.to_bytes())
        fresh.replace(folder / name)
    return folder / "root.json"


def load_root(folder: Path) -> Metadata[Root]:
    """Return the folder's signed root. Raises ContentError."""
    return read_root(folder / "root.json", f"Make the keys with `parvis keys make {folder}`.")


def read_root(path: Path, remedy: str) -> Metadata[Root]:
    """Return one signed root. Raises ContentError."""
    try:
        return Metadata[Root].from_bytes(path.read_bytes())
    except (OSError, RepositoryError) as error:
        raise ContentError(f"{path} can't be read ({error}).", remedy=remedy) from error


def numbered_roots(folder: Path) -> list[Path]:
    """Return the files of all roots that ever were, the oldest first: devices follow them one by one."""
    found = [(int(match[1]), path) for path in folder.glob("*.root.json") if (match := _NUMBERED.fullmatch(path.name))]
    return [path for _, path in sorted(found)]


def signers_in(folder: Path) -> dict[str, tuple[Path, CryptoSigner]]:
    """Return the private keys of a folder by key id. Raises ContentError for a file that is no key."""
    found = {}
    for path in sorted(folder.glob("*.pem")):
        try:
            signer = CryptoSigner(load_pem_private_key(path.read_bytes(), None))
        except (OSError, ValueError, TypeError) as error:
            raise ContentError(
                f"The key {path} can't be read ({error}).", remedy="Put back the file that `parvis keys` wrote."
            ) from error
        found[signer.public_key.keyid] = (path, signer)
    return found


def load_signer(folder: Path, role: str, root: Root) -> CryptoSigner:
    """Return the signer of a role, whose key must be one that the root names. Raises ContentError."""
    return chosen(folder, role, root.roles[role].keyids)


def chosen(folder: Path, name: str, key_ids: Iterable[str]) -> CryptoSigner:
    """Return the signer in `folder` that has one of these key ids. Raises ContentError."""
    there = signers_in(folder)
    for key_id in key_ids:
        if key_id in there:
            return there[key_id][1]
    raise ContentError(
        f"{folder} holds no key that root.json names for {name}: it is missing, or not the one that root.json names.",
        remedy="Use the folder of keys as `parvis keys` left it.",
    )


def write_secret(path: Path, signer: CryptoSigner) -> None:
    """Write a private key that only its owner may read; never over another."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(signer.private_bytes)
