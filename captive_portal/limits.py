# SPDX-License-Identifier: EUPL-1.2
"""How often something may happen, per device and in total; pure but for what it counts, which is bounded.

Each rate is a bucket of tokens: `burst` at once, then one more every `every` seconds. A clock that goes back gives
nothing and takes nothing.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

_MOST_KEYS = 8192  # devices that are remembered; the one seen longest ago makes room


@dataclass(frozen=True)
class Rate:
    """`burst` times at once, then once every `every` seconds."""

    burst: int
    every: float


@dataclass
class _Bucket:
    level: float
    at: float

    def wait(self, rate: Rate, now: float) -> float:
        """Fill up to `now`; return the seconds until there is a token, 0 where there is one."""
        self.level = min(float(rate.burst), self.level + max(0.0, now - self.at) / rate.every)
        self.at = now
        return 0.0 if self.level >= 1 else (1 - self.level) * rate.every


class Limiter:
    """One thing that is limited, per key and in total; safe to share between threads."""

    def __init__(self, each: Rate, total: Rate) -> None:
        """Nothing has happened yet."""
        self._each, self._total = each, total
        self._all = _Bucket(total.burst, 0.0)
        self._keys: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, key: str, now: float) -> float:
        """Return the seconds until it may happen, 0 for now; nothing is counted."""
        with self._lock:
            bucket = self._keys.get(key) or _Bucket(self._each.burst, now)
            return max(bucket.wait(self._each, now), self._all.wait(self._total, now))

    def take(self, key: str, now: float) -> float:
        """Count it, and return 0; where it may not happen, count nothing and return the seconds until it may."""
        with self._lock:
            bucket = self._keys.setdefault(key, _Bucket(self._each.burst, now))
            self._keys.move_to_end(key)
            while len(self._keys) > _MOST_KEYS:
                self._keys.popitem(last=False)
            seconds = max(bucket.wait(self._each, now), self._all.wait(self._total, now))
            if not seconds:
                bucket.level -= 1
                self._all.level -= 1
            return seconds


class Limits:
    """All that the portal limits."""

    def __init__(self) -> None:
        """Nothing has happened yet."""
        self.forms = Limiter(Rate(40, 1.5), Rate(4000, 0.005))
        # Wrong codes only: a hall full of people with good ones is no attack.
        self.guesses = Limiter(Rate(6, 60), Rate(120, 1))
        # What is asked for is kept for weeks, and read by people.
        self.requests = Limiter(Rate(20, 60), Rate(2000, 0.5))
        self.mails = Limiter(Rate(3, 200), Rate(60, 5))
        self.mailboxes = Limiter(Rate(3, 1200), Rate(60, 5))
        self.sign_ins = Limiter(Rate(5, 120), Rate(600, 0.5))
        # A pre-grant opens everything for minutes: it must not add up to free access.
        self.pre_grants = Limiter(Rate(3, 1200), Rate(300, 2))
