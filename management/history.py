# SPDX-License-Identifier: EUPL-1.2
"""The last hour of a device as rows of numbers, in memory; pure but for what it keeps."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from management.readings import Reading

_MOST, _LEAST_SECONDS = 720, 5.0


class Point(NamedTuple):
    """One moment (`at`, seconds since 1970); rates in bytes a second; None is what nobody can tell."""

    at: float
    online: int | None
    present: int | None
    down: float | None
    up: float | None
    latency: float | None
    waiting: float | None
    temperature: float | None


class History:
    """Keeps a point at most each five seconds, an hour of them."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._points: deque[Point] = deque(maxlen=_MOST)
        self._bytes: tuple[float, tuple[int, int]] | None = None

    def add(self, reading: Reading) -> None:
        """Take in a reading, unless the last one was a moment ago."""
        if self._points and reading.taken < self._points[-1].at:
            self._points.clear()  # the clock was set back: what was seen by the other one can't be drawn beside it
        if self._points and reading.taken - self._points[-1].at < _LEAST_SECONDS:
            return
        down, up = self._rates(reading)
        here = reading.facts["guests"] if reading.facts["agent"] else {}
        ages = [age for _, age in reading.streams.values() if age is not None]
        self._points.append(
            Point(
                at=reading.taken, online=here.get("online"), present=here.get("present"), down=down, up=up,
                latency=reading.uplink.milliseconds if reading.uplink else None,
                waiting=max(ages) if ages else None, temperature=reading.health.temperature,
            )
        )  # fmt: skip

    def points(self) -> list[Point]:
        """Return the points, oldest first."""
        return list(self._points)

    def _rates(self, reading: Reading) -> tuple[float | None, float | None]:
        before, counted = self._bytes, reading.uplink_bytes
        if counted is None:
            self._bytes = None
            return None, None
        self._bytes = (reading.taken, counted)
        if before is None or reading.taken <= before[0]:
            return None, None
        rates = [(now - then) / (reading.taken - before[0]) for now, then in zip(counted, before[1], strict=True)]
        return (rates[0], rates[1]) if min(rates) >= 0 else (None, None)  # the interface was made anew
