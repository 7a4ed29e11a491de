# SPDX-License-Identifier: EUPL-1.2
"""What somebody presses on a number pad, from the kernel's key events; pure. It can say seven things and type nothing.

A pad is a keyboard to the kernel, so a stick that plays one could call itself a pad: whatever it sends, only these keys
mean something (codes of linux/input-event-codes.h, the same with Num Lock on or off), and none is a letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kiosk.devices.wedge import EVENT

Wish = Literal["up", "down", "left", "right", "choose", "back", "hear"]

_EV_KEY, _PRESSED, _HELD = 1, 1, 2
_WISHES: dict[int, Wish] = {
    72: "up", 80: "down", 75: "left", 77: "right", 76: "choose", 96: "choose", 82: "back", 83: "hear",
    103: "up", 108: "down", 105: "left", 106: "right", 28: "choose", 14: "back", 1: "back",
}  # fmt: skip
_REPEAT = frozenset({"up", "down", "left", "right"})


@dataclass(frozen=True)
class Press:
    """One key. 8, 2, 4, 6 are arrows, 5 or Enter chooses, 0 goes back, the point reads aloud."""

    wish: Wish


class Keypad:
    """Reads one device. `feed` takes whatever bytes came, cut anywhere."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, raw: bytes, _now: float) -> list[Press]:
        """Return what was pressed with these bytes."""
        come = self._rest + raw
        cut = len(come) // EVENT.size * EVENT.size
        self._rest = come[cut:]
        found = []
        for _, _, kind, code, value in EVENT.iter_unpack(come[:cut]):
            wish = _WISHES.get(code) if kind == _EV_KEY else None
            if wish and (value == _PRESSED or (value == _HELD and wish in _REPEAT)):
                found.append(Press(wish))
        return found

    def overdue(self, _now: float) -> list[Press]:
        """Return nothing: a key is whole by itself."""
        return []
