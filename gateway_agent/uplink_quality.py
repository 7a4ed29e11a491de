# SPDX-License-Identifier: EUPL-1.2
"""How good the way to the Internet was in windows of time; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

from edge_core.events import UplinkMeasured

_MOST = 10_000  # answers remembered in a window: the settings may ask each second


@dataclass
class Quality:
    """The open window."""

    seconds: int
    _start: int = 0
    _way: str = ""
    _asked: int = 0
    _times: list[float] = field(default_factory=list)

    def observe(self, way: str, seconds: float | None, now: float) -> UplinkMeasured | None:
        """Take in a round (the quickest answer; None where none came); return the window that it closes, if any.

        A window is of one way: where another is taken, the one before closes early.
        """
        start = int(now) // self.seconds * self.seconds
        closed = None
        if (start, way) != (self._start, self._way):
            closed = self._told()
            self._start, self._way, self._asked, self._times = start, way, 0, []
        self._asked += 1
        if seconds is not None and len(self._times) < _MOST:
            self._times.append(seconds * 1000)
        return closed

    def _told(self) -> UplinkMeasured | None:
        if not self._asked:
            return None
        return UplinkMeasured(
            way=self._way,
            start=self._start,
            seconds=self.seconds,
            asked=self._asked,
            answered=len(self._times),
            milliseconds_median=round(median(self._times)) if self._times else None,
            milliseconds_worst=round(max(self._times)) if self._times else None,
        )
