# SPDX-License-Identifier: EUPL-1.2
"""What to do about a screen whose page gives no sign of life: one rung after the other, from cheap to dear; pure.

While the pages themselves aren't served, nothing is done to the browser: it shows what it kept, and systemd starts the
pages again.
"""

from __future__ import annotations

from typing import Literal

Rung = Literal["reload", "browser", "compositor", "reboot", "help"]
RUNGS: tuple[Rung, ...] = ("reload", "browser", "compositor", "reboot", "help")
PATIENCE: dict[Rung, float] = {"reload": 20.0, "browser": 15.0, "compositor": 45.0, "reboot": 60.0, "help": 60.0}
"""Seconds without a sign of life before each rung: before the first since the last sign, then since the rung below."""
START = 60.0
"""Seconds that the first sign may take: a compositor and a browser start."""
STEADY = 600.0
"""Seconds of life after which earlier reboots are forgiven."""
AGAIN = 1800.0
"""Seconds after the help page until the browser is tried again."""
MOST_REBOOTS = 2
"""Reboots in a row; after them only the help page."""


class Ladder:
    """`now` are seconds of a monotonic clock; `reboots` how many came in a row without a steady page between them."""

    def __init__(self, now: float, reboots: int = 0) -> None:
        self.reboots = reboots
        self._next = 0
        self._since = now + START - PATIENCE["reload"]
        self._alive_since: float | None = None

    def look(self, now: float, *, alive: bool, served: bool) -> Rung | None:
        """Return what to do now. `alive`: the page gave a sign since the last look; `served`: pages are answered."""
        if alive:
            self._next, self._since = 0, now
            self._alive_since = now if self._alive_since is None else self._alive_since
            if now - self._alive_since >= STEADY:
                self.reboots = 0
            return None
        if not served:
            self._since = now
            return None
        if self._next == len(RUNGS):
            return self._begin_again(now)
        if now - self._since < PATIENCE[RUNGS[self._next]]:
            return None
        return self._climb(now)

    def wait(self, now: float) -> None:
        """Begin again as at a start, because the screen shows something else than our page on purpose."""
        self._next, self._since, self._alive_since = 0, now + START - PATIENCE["reload"], None

    def _climb(self, now: float) -> Rung:
        rung = RUNGS[self._next]
        if rung == "reboot" and self.reboots >= MOST_REBOOTS:
            rung = "help"
        self._next, self._since, self._alive_since = RUNGS.index(rung) + 1, now, None
        if rung == "reboot":
            self.reboots += 1
        return rung

    def _begin_again(self, now: float) -> Rung | None:
        if now - self._since < AGAIN:
            return None
        self._next, self._since = RUNGS.index("browser") + 1, now
        return "browser"


def is_lit(hours: tuple[int, int] | None, minute: int) -> bool:
    """Tell whether the screen is lit at a minute of the day; without hours always."""
    if hours is None:
        return True
    first, last = hours
    return first <= minute < last if first < last else minute >= first or minute < last
