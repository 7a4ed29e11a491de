# SPDX-License-Identifier: EUPL-1.2
"""The key that a site's gateways, and nobody else, share: names devices by a keyed hash, seals what gateways say.

Whoever has it is a gateway of the site. The broker and the site's other devices don't, and learn no device from what
they carry. Each purpose has a key of its own, derived from this one.
"""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from edge_core import keyfile
from edge_core.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from edge_core.settings import Settings

_LEAST = 32  # characters of the file, blanks at its ends left out
_MOST = 4096
_DEVICE_BYTES, _MARK_BYTES, _NONCE_BYTES = 16, 4, 12
_MAKE = "Make one with `openssl rand -base64 32` and give the same file to every gateway of the site."


class OtherKeyError(ValueError):
    """A message was sealed with another site's key, or with an older one of ours."""


class GatewayKey:
    """The key and what is done with it."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._devices = keyfile.derive(secret, "devices")
        self._cipher = ChaCha20Poly1305(keyfile.derive(secret, "gateways"))
        self._mark = keyfile.derive(secret, "mark")[:_MARK_BYTES]

    @property
    def portal(self) -> bytes:
        """The key of the site's portals: a form, a pass or a code of one is good at the other."""
        return keyfile.derive(self._secret, "portal")

    def device(self, mac: str) -> bytes:
        """Return the 16 bytes that stand for a device between gateways; nobody without the key can try MACs."""
        return hmac.digest(self._devices, mac.encode("ascii"), "sha256")[:_DEVICE_BYTES]

    def seal(self, body: bytes, sender: str) -> bytes:
        """Return `body` so that only a gateway can read it, and only as the word of the device `sender`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return self._mark + nonce + self._cipher.encrypt(nonce, body, sender.encode())

    def open(self, sealed: bytes, sender: str) -> bytes:
        """Return what `sender` sealed. Raises OtherKeyError for another key, ValueError for what was changed."""
        mark, nonce, rest = sealed[:_MARK_BYTES], sealed[_MARK_BYTES:][:_NONCE_BYTES], sealed[16:]
        if not hmac.compare_digest(mark, self._mark):
            raise OtherKeyError("sealed with another key")
        try:
            return self._cipher.decrypt(nonce, rest, sender.encode())
        except (InvalidTag, ValueError) as error:
            raise ValueError("not sealed by that gateway") from error


def load(settings: Settings) -> GatewayKey | None:
    """Return the gateways' key, None where the settings name none. Raises ConfigurationError with the remedy."""
    path = settings.site.gateway_key
    return GatewayKey(_read(path)) if path else None


def _read(path: Path) -> bytes:
    try:
        raw = path.read_bytes()[: _MOST + 1].strip()
        open_to_all = path.stat().st_mode & 0o007
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path}: [site] gateway_key names this file, and there is none.", remedy=_MAKE
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"{path}: the gateways' key can't be read ({error.strerror}).", remedy="Let the group parvis read it: 0640."
        ) from error
    if not _LEAST <= len(raw) <= _MOST:
        raise ConfigurationError(f"{path}: a gateways' key has 32 to 4096 characters, this {len(raw)}.", remedy=_MAKE)
    if open_to_all:
        raise ConfigurationError(f"{path}: everybody on this machine can read the key.", remedy=f"chmod 0640 {path}")
    return raw
