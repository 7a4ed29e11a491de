# SPDX-License-Identifier: EUPL-1.2
"""The secret key of a device, in a file of its own: made once, shared by the processes that seal and hash with it."""

from __future__ import annotations

import hmac
import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LENGTH = 32


def read_or_create(path: Path) -> bytes:
    """Return the key of `path`, making it at first. Raises OSError where it can be neither read nor made.

    A finished file is linked into place: a process that starts at the same time reads all of it or makes none.
    """
    if not path.exists():
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(LENGTH))
        _hand_over(fresh)
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink(missing_ok=True)
    key = path.read_bytes()
    if len(key) < LENGTH:
        raise OSError(0, f"{path} is too short")
    return key


def derive(key: bytes, purpose: str) -> bytes:
    """Return the key for one purpose: who learns it learns neither the first key nor another purpose's."""
    return hmac.digest(key, b"derive\0" + purpose.encode(), "sha256")


def _hand_over(path: Path) -> None:
    """Give a file that the administrator made to the folder's owner, or the portal could not read it."""
    folder = path.parent.stat()
    if os.geteuid() == 0 and folder.st_uid != 0:
        os.chown(path, folder.st_uid, folder.st_gid)
