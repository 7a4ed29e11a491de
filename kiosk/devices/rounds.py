# SPDX-License-Identifier: EUPL-1.2
"""Which of the service's threads still turn: only while all do is the watchdog told so; pure but for a lock."""

from __future__ import annotations

import threading

LIMIT = 45.0
"""Seconds after which a thread that didn't turn is taken to hang; the longest wait of any is 10."""


class Rounds:
    """Each thread notes its turns under its name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[str, float] = {}

    def turned(self, name: str, now: float) -> None:
        """Note a turn at `now`, monotonic seconds."""
        with self._lock:
            self._last[name] = now

    def hanging(self, now: float) -> list[str]:
        """Return who has not turned for LIMIT seconds."""
        with self._lock:
            return sorted(name for name, last in self._last.items() if now - last > LIMIT)
