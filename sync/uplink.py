# SPDX-License-Identifier: EUPL-1.2
"""The uplink's window: decides what may be sent, what must be sent again and which acknowledgement is believed.

Pure: no socket, no database, the clock is an argument. It alone may say that rows can be deleted, and it says so only
for a cumulative acknowledgement that the platform sends after its own commit. What it remembers is a shortcut, never
the truth: the rows stay in the outbox, and a new window on the same outbox sends again whatever is still there.
"""

from __future__ import annotations

import json
import random
from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_MAX_DOUBLINGS = 16  # enough to pass any cap; keeps 2 ** tries small after a year without platform


class Verdict(Enum):
    """What became of an acknowledgement."""

    ADVANCED = "advanced"  # rows up to it may be deleted
    REPEATED = "repeated"  # nothing new: the platform lives, and may lack what was sent last
    WRONG_EPOCH = "wrong_epoch"  # meant for another life of this database
    BEYOND = "beyond"  # names what this process never sent: hostile, or about a run before this one


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much may be on its way, and how long to wait for an acknowledgement (seconds).

    100 messages of 100 events fill a link of 100,000 events/s at 100 ms of round trip, and go on while a platform
    commits half of them. 64 KiB is counted before compression, so that a reader can bound what it inflates. `greeting`:
    wait for the platform's first word before anything is sent.
    """

    messages: int = 100
    events: int = 100
    octets: int = 65536
    patience: float = 5.0
    patience_cap: float = 60.0
    probe: float = 1.0
    greeting: float = 0.0


class Window:
    """Messages on their way between the outbox and the platform.

    `cursor`: rows up to here were sent in this round; the next row to send is the first above it.
    `acked`: the highest sequence that the platform acknowledged to this process.
    `ceiling`: the highest sequence that this process ever sent; no acknowledgement beyond it is believed.
    """

    def __init__(self, epoch: str, limits: Limits | None = None, chance: Callable[[], float] = random.random) -> None:
        self.epoch = epoch
        self.limits = limits or Limits()
        self.connected = False
        self.acked = 0
        self.cursor = 0
        self.ceiling = 0
        self._ahead = 0
        self._chance = chance
        self._flight: deque[int] = deque()
        self._room = self.limits.messages
        self._tries = 0
        self._since = 0.0
        self._wait = self._patience()

    @property
    def slots(self) -> int:
        """Return how many messages may be sent now."""
        return max(0, self._room - len(self._flight)) if self.connected else 0

    @property
    def in_flight(self) -> int:
        """Return how many messages wait for an acknowledgement."""
        return len(self._flight)

    def connect(self, now: float) -> None:
        """Begin a new round from the lowest unacknowledged row: what was under way on the old connection is unknown."""
        self.connected = True
        self._tries = 0
        self._rewind(now, self.limits.messages)

    def disconnect(self) -> None:
        """Send nothing until the next `connect`."""
        self.connected = False

    def sent(self, lasts: Iterable[int], upto: int, now: float) -> None:
        """Note messages that were handed over: the highest sequence in each, and the row up to which all were."""
        if not self._flight:
            self._since = now
        self._flight.extend(lasts)
        self.cursor = max(self.cursor, upto)
        self.ceiling = max(self.ceiling, upto)

    def sent_ahead(self, seq: int) -> None:
        """Note a row that was sent before its turn: the platform may acknowledge up to it once the rest is there."""
        self._ahead = max(self._ahead, seq)

    def judge(self, epoch: str, seq: int, now: float) -> tuple[Verdict, int]:
        """Judge a cumulative acknowledgement; after ADVANCED, rows up to the returned sequence may be deleted.

        Nothing moves yet: call `advance` once they are deleted. Otherwise a full disk would let the window run away
        from the outbox, and after a restart no acknowledgement would be within what the new process had sent.
        """
        if epoch != self.epoch:
            return Verdict.WRONG_EPOCH, 0
        if seq > max(self.ceiling, self._ahead):
            return Verdict.BEYOND, 0
        seq = min(seq, self.ceiling)
        if seq <= self.acked:
            self._hear_again(now)
            return Verdict.REPEATED, 0
        return Verdict.ADVANCED, seq

    def advance(self, seq: int, now: float) -> None:
        """Go on from rows up to `seq`, which were judged to be acknowledged and are deleted."""
        self.acked = seq
        self.cursor = max(self.cursor, seq)
        self._flight = deque(last for last in self._flight if last > seq)
        self._room = min(self.limits.messages, self._room * 2)
        self._tries = 0
        self._since = now
        self._wait = self._patience()

    def expire(self, now: float) -> bool:
        """Begin a new round with a single message where the platform has been silent for too long; tell whether so.

        One message, because the platform is probably away: a week of silence then costs a message a minute, and the
        broker's queue is not filled with copies. Each acknowledgement doubles the room again.
        """
        if not self.connected or not self._flight or now - self._since < self._wait:
            return False
        self._tries = min(self._tries + 1, _MAX_DOUBLINGS)
        self._rewind(now, 1)
        return True

    @property
    def tries(self) -> int:
        """Return how many rounds in a row ended without any progress."""
        return self._tries

    def skip(self, upto: int) -> None:
        """Pass over rows that were set aside: nothing at or below `upto` is left to send in this round."""
        self.cursor = max(self.cursor, upto)

    def _hear_again(self, now: float) -> None:
        """Answer a sign of life during a stall by sending again at once, a second apart at the closest.

        A platform that was away announces itself by acknowledging what it already has; without this, the device
        would sit out the rest of a long patience first.
        """
        if self.connected and self._flight and now - self._since >= self.limits.probe:
            self._tries = 0
            self._rewind(now, max(1, self.limits.messages // 5))

    def _rewind(self, now: float, room: int) -> None:
        self.cursor = self.acked
        self._flight.clear()
        self._room = room
        self._since = now
        self._wait = self._patience()

    def _patience(self) -> float:
        """Return seconds to wait: doubled with each try up to a cap, and spread so that sites don't beat in step."""
        plain = min(self.limits.patience * 2.0**self._tries, self.limits.patience_cap)
        return plain * (0.8 + 0.4 * self._chance())


def read_ack(payload: bytes) -> tuple[str, int] | None:
    """Read {"epoch", "seq"}; None where it is anything else."""
    try:
        raw = json.loads(payload)
        epoch, seq = raw["epoch"], raw["seq"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return (epoch, seq) if isinstance(epoch, str) and type(seq) is int and seq >= 0 else None
