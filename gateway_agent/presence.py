# SPDX-License-Identifier: EUPL-1.2
"""Counts devices in windows of time; pure but for its salts. It keeps no address, tells no small group, rounds others.

A device is known here by a keyed hash of its MAC, cut to 24 bits: each value stands for four million addresses, so that
even with the key nobody can be found again; of 15,000 devices some seven share a value with another, which is 0.05 %.
The key is random, lives in memory for five minutes at most, and is then drawn anew.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from edge_core import disclosure
from edge_core.events import PresenceWindow
from edge_core.settings_zones import FIRST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Set as AbstractSet

SALT_SECONDS = 300.0
_TOKEN_BYTES = 3
_SALT_BYTES = 16
_MOST = 288  # closed windows that wait to be written down: a day of five minutes each
_STEP = 2.0  # seconds by which wall and running clock may part between two looks before the clock was set
_PAUSE = 10.0  # seconds between two looks that still count as having watched
_WATCHED = 0.8  # of a window, below which its counts are called partial
ARRIVALS_A_SECOND, ARRIVALS_AT_ONCE = 200.0, 2000.0
"""More than a crowd can do: above, the counts are somebody's invention and are not told."""


class Spot(NamedTuple):
    """Where a device is: its zone, and its access point (None: not known)."""

    zone: str
    access_point: str | None = None


class Tokens:
    """Stands in for MAC addresses, with one salt at a time."""

    def __init__(self, draw: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._draw = draw
        self.renew()

    def renew(self) -> None:
        """Forget the salt: from here on nobody can tell that two values belonged to the same device."""
        self._salt = self._draw(_SALT_BYTES)

    def of(self, macs: Iterable[str]) -> list[int]:
        """Return what stands for each of these addresses until `renew`."""
        salt, number = self._salt, int.from_bytes
        return [number(blake2b(mac.encode(), key=salt, digest_size=_TOKEN_BYTES).digest(), "big") for mac in macs]


@dataclass
class _Peaks:
    """The open window's counts of one zone, or (arrivals and departures unused) of one access point."""

    associated: int = 0
    online: int = 0
    arrivals: int = 0
    departures: int = 0

    def rise(self, associated: int, online: int) -> None:
        self.associated, self.online = max(self.associated, associated), max(self.online, online)


@dataclass
class Presence:
    """The window that is open. `associated` and `online` are the most at once in it."""

    seconds: int
    minimum: int
    rounding: int
    zones: tuple[str, ...] = (FIRST,)
    """The zones of which a window is told also while nobody is there."""
    tokens: Tokens = field(default_factory=Tokens)
    floods: int = 0
    """Looks at which more devices arrived than can."""
    clock_steps: int = 0
    """Times that the clock was set."""
    _start: int | None = None
    _last: tuple[float, float] | None = None
    """Wall and running time of the last look."""
    _salted_at: float = 0.0
    _present: dict[str, set[int]] | None = None
    _peaks: dict[Spot, _Peaks] = field(default_factory=dict)
    _observed: float = 0.0
    _flooded: bool = False
    _stepped: bool = False
    _room: float = ARRIVALS_AT_ONCE
    _done: list[PresenceWindow] = field(default_factory=list)

    def observe(
        self, here: Mapping[str, Spot], online: AbstractSet[str], now: float, running: float
    ) -> list[PresenceWindow]:
        """Take in who is here, by MAC, and which of them are online; return the windows that have closed.

        `now` is wall time (seconds since 1970), `running` a clock that nobody sets. Windows are returned again until
        `recorded` says that they are written down: a full disk loses none of a day's. The first look after a start is
        the ground: who is here then has not arrived. Nothing of `here` is kept.
        """
        self._clock(now, running)
        self._turn(int(now) // self.seconds * self.seconds)
        self._count(here, online)
        self._resalt(here, running)
        return self._done[:]

    def recorded(self, count: int) -> None:
        """Let go of the oldest `count` windows."""
        del self._done[:count]

    def _clock(self, now: float, running: float) -> None:
        if self._last is not None:
            passed = running - self._last[1]
            if abs(now - self._last[0] - passed) > _STEP:
                self.clock_steps += 1
                self._stepped = True
            if 0 <= passed <= _PAUSE:
                self._observed += passed
            self._room = min(ARRIVALS_AT_ONCE, self._room + ARRIVALS_A_SECOND * max(0.0, passed))
        self._last = (now, running)

    def _turn(self, start: int) -> None:
        if self._start == start:
            return
        if self._start is not None:
            self._done = [*self._done, *self._windows(self._start)][-_MOST:]
            # Set by less than a window, the clock spoils the window it left and the one it came to.
            self._stepped = self._stepped and start != self._start + self.seconds
        self._start, self._observed, self._flooded = start, 0.0, False
        self._peaks = {}

    def _count(self, here: Mapping[str, Spot], online: AbstractSet[str]) -> None:
        spots: dict[Spot, dict[int, bool]] = {}
        for (mac, spot), token in zip(here.items(), self.tokens.of(here), strict=True):
            spots.setdefault(spot, {})[token] = mac in online
        zones: dict[str, dict[int, bool]] = {}
        for spot, found in spots.items():
            zones.setdefault(spot.zone, {}).update(found)
            if spot.access_point is not None:
                self._peaks.setdefault(spot, _Peaks()).rise(len(found), sum(found.values()))
        before = {zone: found.keys() for zone, found in zones.items()} if self._present is None else self._present
        for zone in zones.keys() | before.keys() | set(self.zones):
            found = zones.get(zone, {})
            peaks = self._peaks.setdefault(Spot(zone), _Peaks())
            peaks.rise(len(found), sum(found.values()))
            self._move(peaks, before.get(zone, set()), found.keys())
        self._present = {zone: set(found) for zone, found in zones.items()}

    def _move(self, peaks: _Peaks, before: AbstractSet[int], after: AbstractSet[int]) -> None:
        arrived = len(after - before)
        peaks.arrivals += arrived
        peaks.departures += len(before - after)
        self._room -= arrived
        if self._room < 0:
            self.floods += 1
            self._flooded = True
            self._room = 0.0

    def _resalt(self, here: Mapping[str, Spot], running: float) -> None:
        if 0 <= running - self._salted_at < min(SALT_SECONDS, self.seconds):
            return
        self.tokens.renew()
        self._salted_at = running
        self._present = {}
        for spot, token in zip(here.values(), self.tokens.of(here), strict=True):
            self._present.setdefault(spot.zone, set()).add(token)

    def _doubt(self) -> str | None:
        """Return why this window's counts are not to be taken at their word."""
        if self._flooded:
            return "flood"
        if self._stepped:
            return "clock"
        return "partial" if self._observed < _WATCHED * self.seconds else None

    def _windows(self, start: int) -> list[PresenceWindow]:
        zones = sorted({place.zone for place in self._peaks})
        return [window for zone in zones for window in self._zone(zone, start)]

    def _zone(self, zone: str, start: int) -> list[PresenceWindow]:
        """Return a zone's window, and one for each of its access points."""
        whole = self._peaks[Spot(zone)]
        points = {
            place.access_point: peaks
            for place, peaks in self._peaks.items()
            if place.zone == zone and place.access_point is not None
        }
        here = {name: peaks.associated for name, peaks in points.items()}
        online = {name: peaks.online for name, peaks in points.items()}
        associated, by_point = disclosure.split(whole.associated, here, self.minimum, self.rounding)
        _, online_by_point = disclosure.split(whole.online, online, self.minimum, self.rounding)
        flows = [disclosure.told(n, self.minimum, self.rounding) for n in (whole.arrivals, whole.departures)]
        rows = [self._window(Spot(zone), start, [associated, self._online(whole), *flows])]
        for name, peaks in sorted(points.items()):
            hidden = by_point[name] is None or online_by_point[name] is None
            counts = [by_point[name], None if hidden else self._online(peaks), None, None]
            rows.append(self._window(Spot(zone, name), start, counts))
        return rows

    def _window(self, spot: Spot, start: int, counts: list[int | None]) -> PresenceWindow:
        doubt = self._doubt()
        associated, online, arrivals, departures = [None] * 4 if doubt == "flood" else counts
        return PresenceWindow(
            zone=spot.zone,
            access_point=spot.access_point,
            start=start,
            seconds=self.seconds,
            observed=min(self.seconds, round(self._observed)),
            doubt=doubt,
            associated=associated,
            online=online,
            arrivals=arrivals,
            departures=departures,
        )

    def _online(self, peaks: _Peaks) -> int | None:
        return disclosure.among(peaks.associated, peaks.online, self.minimum, self.rounding)
