# SPDX-License-Identifier: EUPL-1.2
"""Makes and loads the keys of a repository: a folder of one private key a role, and the signed root that names them.

Only `root.json` leaves the folder: devices trust it. `root.pem` may be kept offline, publishing doesn't need it.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from securesystemslib.exceptions import KeyMismatchError
from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root

from edge_core.errors import ContentError

if TYPE_CHECKING:
    from pathlib import Path

ROLES = ("root", "targets", "snapshot", "timestamp")
_ROOT_LASTS = timedelta(days=5 * 365)


def make(folder: Path, now: float) -> Path:
    """Make the keys of all roles in `folder` and return the path of root.json. Never overwrites a key."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    there = [name for name in (*(f"{role}.pem" for role in ROLES), "root.json") if (folder / name).exists()]
    if there:
        raise ContentError(
            f"{folder} holds keys already ({', '.join(there)}).",
            remedy="Name another folder: devices that trust these keys would refuse content signed by new ones.",
        )
    root = Root(expires=_moment(now) + _ROOT_LASTS, consistent_snapshot=True)
    signers = {role: CryptoSigner.generate_ed25519() for role in ROLES}
    for role, signer in signers.items():
        root.add_key(signer.public_key, role)
        _write_secret(folder / f"{role}.pem", signer.private_bytes)
    metadata = Metadata(root)
    metadata.sign(signers["root"])
    for name in ("1.root.json", "root.json"):
        (folder / name).write_bytes(metadata.to_bytes())
    return folder / "root.json"


def load_root(folder: Path) -> Metadata[Root]:
    """Return the folder's signed root. Raises ContentError."""
    path = folder / "root.json"
    try:
        return Metadata[Root].from_bytes(path.read_bytes())
    except (OSError, RepositoryError) as error:
        raise ContentError(
            f"{path} can't be read ({error}).", remedy=f"Make the keys with `parvis keys make {folder}`."
        ) from error


def load_signer(folder: Path, role: str, root: Root) -> CryptoSigner:
    """Return the signer of a role, whose key must be one that the root names. Raises ContentError."""
    path = folder / f"{role}.pem"
    for key_id in root.roles[role].keyids:
        try:
            return CryptoSigner.from_priv_key_uri(f"file2:{path.absolute()}", root.keys[key_id])
        except KeyMismatchError:
            continue
        except (OSError, ValueError) as error:
            raise ContentError(
                f"The key {path} can't be read ({error}).", remedy="Put back the file that `parvis keys make` wrote."
            ) from error
    raise ContentError(
        f"The key {path} is not the one that root.json names for {role}.",
        remedy="Use the folder of keys as `parvis keys make` wrote it.",
    )


def _write_secret(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def _moment(now: float) -> datetime:
    return datetime.fromtimestamp(now, UTC).replace(microsecond=0)
