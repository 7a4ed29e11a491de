# SPDX-License-Identifier: EUPL-1.2
"""Seals what a page hands to a device and gets back: form tokens and the first asked address; needs no cookie.

A token is an HMAC over its purpose and the device that it was made for, under a key that stays on this gateway, so it
is worthless to another device and to any other site. A form's doesn't expire: a clock that jumps locks nobody out.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from typing import TYPE_CHECKING, Any

from edge_core import durable, gateway_key, keyfile, logs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edge_core.settings import Settings

_log = logs.get(__name__)
VOUCHERS = "vouchers"
_TOKEN_BYTES = 16
_LONGEST = 2000


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

    def derive(self, purpose: str) -> bytes:
        """Return a key for another purpose than tokens."""
        return keyfile.derive(self._key, purpose)

    def close(self, purpose: str, data: Mapping[str, Any], until: float) -> str:
        """Return `data` (JSON), readable by anybody and sealed until the moment `until`: a link, or a pass."""
        body = json.dumps({**data, "until": int(until)}, separators=(",", ":"), sort_keys=True).encode()
        text = base64.urlsafe_b64encode(body).rstrip(b"=").decode()
        return f"{text}.{self.make(purpose, text)}"

    def open(self, sealed: str, purpose: str, now: float) -> dict[str, Any] | None:
        """Return what was sealed here for that purpose; None where it wasn't, or where its time is over."""
        text, _, token = sealed[:_LONGEST].partition(".")
        if not self.check(token, purpose, text):
            return None
        data: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return data if data["until"] > now else None


def of(settings: Settings) -> Seal:
    """Return the seal of the site's portals; of this one alone where the site's gateways share no key.

    Raises ConfigurationError where the site's key can't be used.
    """
    shared = gateway_key.load(settings)
    return Seal(shared.portal) if shared else load(own_key(settings))


def own_key(settings: Settings) -> Path:
    """Return the file with the key of this gateway alone."""
    return settings.device.state_dir / "portal.key"


def lend(settings: Settings, own: Seal) -> None:
    """Keep the key of codes in a file for the group too: who makes codes on the device page is not the portal's user.

    Whoever is in the group may write codes and grants anyway; forms and passes stay the portal's alone.
    """
    path, key = _lent(settings), own.derive(VOUCHERS)
    try:
        if not path.exists() or path.read_bytes() != key:
            durable.replace(path, key, mode=0o640)
    except OSError as error:
        _log.warning("voucher_key_not_lent", reason=error.strerror)


def borrow(settings: Settings) -> bytes:
    """Return the key of codes that the portal lends. Raises OSError where it lends none, or not to this user."""
    return _lent(settings).read_bytes()


def _lent(settings: Settings) -> Path:
    return settings.device.state_dir / "vouchers.key"


def load(path: Path) -> Seal:
    """Read the key of this gateway's portal, making it at first; all workers share it."""
    try:
        return Seal(keyfile.read_or_create(path))
    except OSError as error:
        _log.warning("portal_key_not_kept", reason=error.strerror)
        return Seal(secrets.token_bytes(keyfile.LENGTH))
