# SPDX-License-Identifier: EUPL-1.2
"""Tells the site's other kiosks of visits and roll-calls, and hears theirs: over live/visits.

Sealed with the site's key (AES-256-GCM, NIST SP 800-38D): whatever broker carries it, only a device of the site can
read it; without a key nothing is told. Changes go out within two seconds, everything of the last day each minute and
with each new connection, so that a lost message costs a minute. Hearing the same again changes nothing.
"""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edge_core import keyfile, logs, site_codes
from edge_core.errors import StoreError
from edge_core.store import shared_visits

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_core.settings import Settings

TOPIC = "live/visits"
_NONCE = 12
_LARGEST = 1 << 20
_EVERYTHING = 60.0
_DAY = 86400.0
_log = logs.get(__name__)


class Exchange:
    """One device's part in it. `publish` hands a sealed message to the broker, False where there is none."""

    def __init__(self, settings: Settings, connection: sqlite3.Connection, publish: Callable[[bytes], bool]) -> None:
        key = site_codes.site_key(settings.site.key)
        self._cipher = AESGCM(keyfile.derive(key, "visits")) if key else None
        self._site, self._device = settings.site.id.encode(), settings.device.id
        self._connection = connection
        self._publish = publish
        self._told_until = 0.0
        self._everything_due = 0.0
        self._rolls_told: dict[str, Any] = {}
        self.refused = 0

    def tend(self, running: float, now: float) -> None:
        """Tell what changed; `running` is a monotonic clock, `now` the wall clock."""
        if self._cipher is None:
            return
        whole = running >= self._everything_due
        since = now - _DAY if whole else self._told_until
        told = shared_visits.changed(self._connection, since)
        rolls = shared_visits.roll_call(self._connection, now - _DAY)
        if not told and not (rolls["calls"] and (whole or rolls != self._rolls_told)):
            return
        for part in shared_visits.parts(told):
            if not self._publish(self.seal({"visits": part, "rolls": rolls})):
                return
        self._rolls_told = rolls
        self._told_until = max((each["updated_at"] for each in told), default=self._told_until) + 1e-6
        if whole:
            self._everything_due = running + _EVERYTHING

    def again(self) -> None:
        """Tell everything at the next turn, because the connection is a new one."""
        self._everything_due = 0.0

    def hear(self, payload: bytes) -> bool:
        """Join what another kiosk tells; False where it isn't of this site, or makes no sense."""
        part = self.open(payload)
        if part is None:
            self.refused += 1
            return False
        try:
            shared_visits.join(self._connection, part["visits"], part["rolls"])
        except (KeyError, TypeError, ValueError, AttributeError, sqlite3.IntegrityError) as error:
            self.refused += 1
            _log.warning("visits_passed_over", reason=type(error).__name__)
            return False
        except (StoreError, sqlite3.Error) as error:
            _log.error("visits_not_joined", reason=type(error).__name__)
            return False
        return True

    def seal(self, part: dict[str, Any]) -> bytes:
        """Return a message that only this site's devices can read."""
        plain = zlib.compress(json.dumps({**part, "device": self._device}, ensure_ascii=False).encode())
        nonce = os.urandom(_NONCE)
        assert self._cipher is not None  # noqa: S101  tend asks first
        return nonce + self._cipher.encrypt(nonce, plain, self._site)

    def open(self, payload: bytes) -> dict[str, Any] | None:
        """Return what was sealed at this site; None for everything else."""
        if self._cipher is None:
            return None
        try:
            plain = self._cipher.decrypt(payload[:_NONCE], payload[_NONCE:], self._site)
            inflated = zlib.decompressobj().decompress(plain, _LARGEST)
            found = json.loads(inflated)
        except (InvalidTag, ValueError, RecursionError, zlib.error):
            return None
        return found if isinstance(found, dict) else None
