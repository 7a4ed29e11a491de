# SPDX-License-Identifier: EUPL-1.2
"""Seals what a page hands to a device and gets back: form tokens and the first asked address; needs no cookie.

A token is an HMAC over its purpose and the device that it was made for, under a key that stays on this gateway, so it
is worthless to another device and to any other site. It doesn't expire: a clock that jumps locks nobody out.
"""

from __future__ import annotations

import base64
import hmac
import os
import secrets
from typing import TYPE_CHECKING

from edge_core import logs

if TYPE_CHECKING:
    from pathlib import Path

_log = logs.get(__name__)
_KEY_BYTES = 32
_TOKEN_BYTES = 16


class Seal:
    """Makes and checks tokens."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, purpose: str, *parts: str) -> str:
        """Return the token of `purpose` for `parts`, 22 characters that are safe in an address."""
        message = "\0".join((purpose, *parts)).encode("utf-8", "surrogatepass")
        digest = hmac.digest(self._key, message, "sha256")[:_TOKEN_BYTES]
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def check(self, token: str, purpose: str, *parts: str) -> bool:
        """Tell whether `token` was made here for the same purpose and parts, in constant time."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self.make(purpose, *parts).encode())


def load(path: Path) -> Seal:
    """Read the key of this gateway's portal, making it at first; all workers share it."""
    try:
        return Seal(_read_or_create(path))
    except OSError as error:
        _log.warning("portal_key_not_kept", reason=error.strerror)
        return Seal(secrets.token_bytes(_KEY_BYTES))


def _read_or_create(path: Path) -> bytes:
    """Link a finished file into place: a worker that starts at the same time reads all of it or makes none."""
    if not path.exists():
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink(missing_ok=True)
    key = path.read_bytes()
    if len(key) < _KEY_BYTES:
        raise OSError(0, f"{path} is too short")
    return key
