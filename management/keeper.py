# SPDX-License-Identifier: EUPL-1.2
"""Who may look after the device by its page: one password, sessions that end, wrong tries that are limited.

Sessions and tries are in memory: a restart ends every session. The password is kept as an Argon2 hash in a file that
`parvis management password` writes; without it nobody enters.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from collections import deque
from typing import TYPE_CHECKING

from edge_core import passwords

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_core.settings import Settings

LASTS, IDLE = 12 * 3600.0, 3600.0
WINDOW = 15 * 60.0
MOST_TRIES, MOST_FROM_ONE = 20, 5
"""Wrong tries in a window, of everybody and from one address: after them nobody's password is even looked at."""
_MOST_SESSIONS = 50
_MOST_PLACES = 1000


def file_of(settings: Settings) -> Path:
    """Return the file that holds the password's hash."""
    return settings.device.state_dir / "management.password"


def set_password(settings: Settings, password: str) -> None:
    """Replace the password. Raises OSError."""
    fresh = file_of(settings).with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(passwords.make(password))
    fresh.replace(file_of(settings))


class Keeper:
    """The open sessions and the wrong tries; any thread may call. `tick` is a clock that nobody sets."""

    def __init__(self, settings: Settings, tick: Callable[[], float]) -> None:
        """Begin with nobody inside."""
        self._settings, self._tick = settings, tick
        self._sessions: dict[bytes, tuple[float, float, str]] = {}
        self._wrong: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def is_ready(self) -> bool:
        """Tell whether there is a password."""
        return self._kept() is not None

    def is_shut(self, place: str) -> bool:
        """Tell whether there were too many wrong tries from an address, or in all."""
        with self._lock:
            since = self._tick() - WINDOW
            for name in list(self._wrong):
                tries = self._wrong[name]
                while tries and tries[0] <= since:
                    tries.popleft()
                if not tries:
                    del self._wrong[name]
            everybody = sum(len(tries) for tries in self._wrong.values())
            return everybody >= MOST_TRIES or len(self._wrong.get(place, ())) >= MOST_FROM_ONE

    def enter(self, password: str, place: str) -> str | None:
        """Return a session's token for the right password; None for a wrong one, which counts."""
        if self.is_shut(place) or not passwords.check(self._kept(), password):
            with self._lock:
                if place in self._wrong or len(self._wrong) < _MOST_PLACES:
                    self._wrong.setdefault(place, deque(maxlen=MOST_TRIES)).append(self._tick())
            return None
        token, now = secrets.token_urlsafe(32), self._tick()
        with self._lock:
            while len(self._sessions) >= _MOST_SESSIONS:
                del self._sessions[next(iter(self._sessions))]
            self._sessions[_digest(token)] = (now + LASTS, now, secrets.token_urlsafe(24))
        return token

    def form_key(self, token: str) -> str | None:
        """Return what a session's forms must carry; None where the session is over, was idle, or never was."""
        with self._lock:
            found, now = self._sessions.get(_digest(token)), self._tick()
            if found is None or now >= found[0] or now >= found[1] + IDLE:
                self._sessions.pop(_digest(token), None)
                return None
            self._sessions[_digest(token)] = (found[0], now, found[2])
            return found[2]

    def leave(self, token: str) -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(_digest(token), None)

    def _kept(self) -> str | None:
        try:
            return file_of(self._settings).read_text(encoding="ascii").strip() or None
        except (OSError, ValueError):
            return None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
