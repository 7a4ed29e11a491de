# SPDX-License-Identifier: EUPL-1.2
"""What the pages may know of the devices: states by role, and scans that wait to be taken; in memory only.

Every change has a number. Who watches waits for a number above the last one seen. A scan is told by its number and
given to the first who takes it, so that its text is in no address, no log and on no disk, and acts once.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

FRESH = 15.0
"""Seconds that a scan waits for its page: later, somebody else may be standing there."""
_WAITING = 8
_KEY_FRESH = 2.0
"""Seconds that a key of the number pad waits for its page: later, it would act on something else than was meant."""
_OWN = frozenset({"screen"})  # not plugged in by anybody
_WATCHERS = 4
"""Pages that are let wait at once. There is one screen: an older one is a page that was left."""


class Board:
    """Shared by the threads of the device service. `clock` gives monotonic seconds; `note` hears each role's state."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, note: Callable[[str, str], None] | None = None
    ) -> None:
        self._note = note
        self.life = secrets.token_hex(4)  # numbers begin again with the service: this tells
        self._clock = clock
        self._changed = threading.Condition()
        self._number = 0
        self._devices: dict[str, dict[str, str]] = {}
        self._scans: deque[tuple[int, float, str, str]] = deque(maxlen=_WAITING)
        self._keys: deque[tuple[int, float, str]] = deque(maxlen=_WAITING)
        self._watchers: deque[object] = deque()

    def tell(self, role: str, **state: str) -> None:
        """Note how the device of a role is; the same again changes nothing."""
        with self._changed:
            if self._devices.get(role) != state:
                self._devices[role] = state
                self._bump()
                if self._note and role not in _OWN:
                    self._note(role, state.get("state", ""))

    def scanned(self, role: str, text: str) -> None:
        """Let a scan wait for the page."""
        with self._changed:
            self._bump()
            self._scans.append((self._number, self._clock(), role, text))

    def refused(self, role: str, reason: str) -> None:
        """Let the page say that a scan can't be read: its number gives no text, only this role and `reason`."""
        with self._changed:
            self._bump()
            self._scans.append((self._number, self._clock(), f"{role}:{reason}", ""))

    def pressed(self, wish: str) -> None:
        """Let a key of the number pad wait for the page that is shown."""
        with self._changed:
            self._bump()
            self._keys.append((self._number, self._clock(), wish))

    def take(self, number: int) -> tuple[str, str] | None:
        """Return (role, text) of a scan, once; None where it was taken, is too old or never was."""
        with self._changed:
            found = next((scan for scan in self._scans if scan[0] == number), None)
            if found is None:
                return None
            self._scans.remove(found)
        return (found[2], found[3]) if self._clock() - found[1] <= FRESH else None

    def watch(self, life: str, after: int, seconds: float) -> dict[str, Any]:
        """Wait up to `seconds` for a change after `after`; return all states, keys, the newest scan's number or None.

        A page that begins to watch gets no key: what was pressed before was meant for another page.
        """
        me = object()
        with self._changed:
            self._watchers.append(me)
            if len(self._watchers) > _WATCHERS:
                self._watchers.popleft()
                self._changed.notify_all()
            follows = life == self.life
            after = after if follows else -1
            self._changed.wait_for(lambda: self._number > after or me not in self._watchers, timeout=seconds)
            if me in self._watchers:
                self._watchers.remove(me)
            return {**self._told(after), "keys": self._pressed(after) if follows else []}

    def devices(self) -> dict[str, dict[str, str]]:
        """Return the state of each role that was ever told."""
        with self._changed:
            return {role: dict(state) for role, state in self._devices.items()}

    def _bump(self) -> None:
        self._number += 1
        self._changed.notify_all()

    def _pressed(self, after: int) -> list[str]:
        oldest = self._clock() - _KEY_FRESH
        return [wish for number, at, wish in self._keys if number > after and at >= oldest]

    def _told(self, after: int) -> dict[str, Any]:
        oldest = self._clock() - FRESH
        waiting = [number for number, at, _, _ in self._scans if number > after and at >= oldest]
        devices = {role: dict(state) for role, state in self._devices.items()}
        return {"life": self.life, "n": self._number, "devices": devices, "scan": max(waiting, default=None)}
