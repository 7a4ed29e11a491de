# SPDX-License-Identifier: EUPL-1.2
"""Counts devices in windows of time; pure, and blunt on purpose: small groups are not told, others are rounded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge_core.events import PresenceWindow

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

ZONE = "guests"
_MOST = 288  # closed windows that wait to be written down: a day of five minutes each


def told(count: int, minimum: int, rounding: int) -> int | None:
    """Return what may be said of a count: None below `minimum`, else the nearest multiple of `rounding`."""
    if count < minimum:
        return None
    step = max(1, rounding)
    return (count + step // 2) // step * step


@dataclass
class Presence:
    """The window that is open. MAC addresses stay in this object and are gone with the device or the process."""

    seconds: int
    minimum: int
    rounding: int
    _start: int | None = None
    _present: frozenset[str] | None = None
    _associated: int = 0
    _online: int = 0
    _arrivals: int = 0
    _departures: int = 0
    _done: list[PresenceWindow] = field(default_factory=list)

    def observe(self, present: AbstractSet[str], online: int, now: float) -> list[PresenceWindow]:
        """Take in who is here at `now` (seconds since 1970); return the windows that have closed.

        They are returned again until `recorded` says that they are written down: a full disk loses none of a day's.
        The first look after a start is the ground: who is here then has not arrived. `associated` and `online` are
        the most at once in the window.
        """
        self._turn(int(now) // self.seconds * self.seconds)
        before = self._present if self._present is not None else frozenset(present)
        self._arrivals += len(present - before)
        self._departures += len(before - present)
        self._associated = max(self._associated, len(present))
        self._online = max(self._online, online)
        self._present = frozenset(present)
        return self._done[:]

    def recorded(self, count: int) -> None:
        """Let go of the oldest `count` windows."""
        del self._done[:count]

    def kept(self) -> list[int | None]:
        """Return the open window's counts, which name nobody, for `take_up` after a restart."""
        return [self._start, self._associated, self._online, self._arrivals, self._departures]

    def take_up(self, kept: list[int]) -> None:
        """Go on with a window that an earlier process had open; who was here then is not known any more."""
        self._start, self._associated, self._online, self._arrivals, self._departures = kept

    def _turn(self, start: int) -> None:
        if self._start == start:
            return
        if self._start is not None:
            self._done = [*self._done[-_MOST + 1 :], self._window(self._start)]
        self._start = start
        self._associated = self._online = self._arrivals = self._departures = 0

    def _window(self, start: int) -> PresenceWindow:
        counts = (self._associated, self._online, self._arrivals, self._departures)
        associated, online, arrivals, departures = (told(count, self.minimum, self.rounding) for count in counts)
        return PresenceWindow(
            zone=ZONE,
            start=start,
            seconds=self.seconds,
            associated=associated,
            online=online,
            arrivals=arrivals,
            departures=departures,
        )
