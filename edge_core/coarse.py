# SPDX-License-Identifier: EUPL-1.2
"""Moments and spans of one person's session, told to five minutes only, inside of ids too; pure."""

from __future__ import annotations

import secrets
import uuid

WINDOW = 300
"""Seconds: as long as a window of presence, so that a session says no more of when than a count does."""


def moment(now: float) -> float:
    """Return the start of the window in which `now` is (seconds since 1970)."""
    return now // WINDOW * WINDOW


def border(now: float, running: float) -> float:
    """Return the start of the window, or its end where that start was before the boot, `running` seconds ago.

    A clock that runs from the boot can't go below 0, and both have to move alike: the platform compares them.
    """
    start = moment(now)
    return start if now - start <= running else start + WINDOW


def span(seconds: float) -> int:
    """Return a span to the nearest window; what is shorter than one is 0, and says "less than five minutes"."""
    return int(seconds + WINDOW / 2) // WINDOW * WINDOW


def plan(seconds: float) -> int:
    """Return the length of a plan: more than a window as a span, for it may run until a closing time."""
    return span(seconds) if seconds > WINDOW else int(seconds)


def uuid7(now: float) -> str:
    """Return a new UUIDv7 (RFC 9562, 5.7) whose time is the start of the window; the rest of it is chance."""
    return _at(moment(now), 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62))


def identifier(key: str) -> str:
    """Return a UUIDv7 with the start of the window as its time: the same each time, and for nobody else's.

    On the site ids say which of two sessions is the later; whoever is told of them elsewhere learns no moment.
    """
    number = uuid.UUID(key).int
    return _at(moment((number >> 80) / 1000), number & (1 << 80) - 1)


def _at(start: float, rest: int) -> str:
    return str(uuid.UUID(int=(int(start * 1000) & (1 << 48) - 1) << 80 | rest))
