# SPDX-License-Identifier: EUPL-1.2
"""Feeds who is here into `presence` and writes down the windows that close; the only place where both meet.

Counted are devices that hold a lease or a grant: made-up neighbours, which any guest can send by the thousand, are not.
Devices that objected are left out before anything is counted.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from edge_core.settings_zones import FIRST
from edge_core.store import opposition, series
from edge_core.store.database import write
from gateway_agent import access_points
from gateway_agent.presence import Presence, Spot

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Mapping
    from collections.abc import Set as AbstractSet

    from edge_core.settings import Settings

_REFRESH = 5.0
"""Seconds between two looks at the bridge's table and at the list of objections."""

_NONE: Mapping[str, str] = MappingProxyType({})


class Counting:
    """The open windows, and what is known of where devices are and which don't want to be counted."""

    def __init__(self, settings: Settings, store: sqlite3.Connection) -> None:
        """Start with nobody here."""
        self._settings, self._store = settings, store
        wanted = settings.presence
        self._presence = Presence(
            wanted.window, wanted.minimum, wanted.rounding, tuple(zone.id for zone in settings.zones) or (FIRST,)
        )
        self._refresh_at = 0.0
        self._points: dict[str, str] = {}
        self._key, self._opposed = b"", frozenset[bytes]()
        self._judged: dict[str, bool] = {}
        self.told: int | None = None
        """Devices here in the last windows, as they were told: what a public screen may show, and nothing newer."""
        self.strangers = 0
        """Neighbours without a lease or a grant at the last look: not counted."""

    def observe(
        self,
        present: Mapping[str, str],
        known: Collection[str],
        online: AbstractSet[str],
        now: float,
        running: float,
        *,
        own: Mapping[str, str] = _NONE,
    ) -> None:
        """Take in who is here by MAC, in which zone, who of them is `known` (lease or grant) and online.

        `own` names our own access point for those who are associated with it.
        What could not be written down is told with the next windows. Raises StoreError, OSError.
        """
        if running >= self._refresh_at or running < self._refresh_at - _REFRESH:
            self._refresh_at = running + _REFRESH
            self._look_around(present.keys())
        counted = present.keys() & (known if isinstance(known, set) else set(known))
        self.strangers = len(present) - len(counted)
        here = {
            mac: Spot(present[mac], own.get(mac) or self._points.get(mac)) for mac in counted if not self._objects(mac)
        }
        windows = self._presence.observe(here, online, now, running)
        if windows:
            with write(self._store) as store:
                for window in windows:
                    series.record(store, window, now)
            self._presence.recorded(len(windows))
            latest = [w.associated for w in windows if w.access_point is None and w.start == windows[-1].start]
            self.told = sum(count for count in latest if count) or None

    def counts(self) -> dict[str, int]:
        """Return what was refused or doubted, for `parvis status`."""
        return {
            "strangers": self.strangers,
            "floods": self._presence.floods,
            "clock_steps": self._presence.clock_steps,
        }

    def _look_around(self, present: AbstractSet[str]) -> None:
        self._points = {}
        for zone in self._settings.zones:
            self._points |= access_points.learned(zone.interface)
        key, opposed = opposition.load(self._store)
        if (key, opposed) == (self._key, self._opposed):
            self._judged = {mac: self._judged[mac] for mac in self._judged.keys() & present}
        else:
            self._key, self._opposed, self._judged = key, opposed, {}

    def _objects(self, mac: str) -> bool:
        if not self._opposed:
            return False
        judged = self._judged.get(mac)
        if judged is None:
            judged = self._judged[mac] = opposition.token(self._key, mac) in self._opposed
        return judged
