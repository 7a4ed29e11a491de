# SPDX-License-Identifier: EUPL-1.2
"""Decides whether a way to the Internet is open, and which of two to take: pure, one answer for each round of probes.

One lost probe is no outage and one answer no recovery: it takes several rounds either way, more to come back.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from statistics import median

ROUNDS_DOWN = 3
ROUNDS_UP = 4
_REMEMBERED = 9


@dataclass
class Way:
    """What is known of one way out. `up` is None until enough was seen; `since` is in epoch seconds."""

    up: bool | None = None
    since: float = 0.0
    streak: int = 0
    """Rounds in a row that said the other thing than `up`; before the first decision, rounds that failed."""
    times: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    def observe(self, seconds: float | None, now: float) -> bool:
        """Take the quickest answer of a round, None where nothing answered; return whether `up` has changed."""
        answered = seconds is not None
        if seconds is not None:
            self.times.append(seconds)
        if answered == self.up:
            self.streak = 0
            return False
        self.streak = 0 if self.up is None and answered else self.streak + 1
        needed = 1 if self.up is None and answered else ROUNDS_UP if answered else ROUNDS_DOWN
        if self.up is None and answered:
            self.streak = 1
        if self.streak < needed:
            return False
        self.up, self.since, self.streak = answered, now, 0
        if not answered:
            self.times.clear()
        return True

    @property
    def milliseconds(self) -> int | None:
        """How long an answer takes, the median of the last rounds; None while nothing answers."""
        return round(median(self.times) * 1000) if self.up and self.times else None


def prefer_second(first: Way, second: Way) -> bool:
    """Return whether to leave by the second way: only where the first is known to be shut and the second open."""
    return first.up is False and second.up is True
