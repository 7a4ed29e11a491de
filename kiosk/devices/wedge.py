# SPDX-License-Identifier: EUPL-1.2
"""What a scanner or badge reader typed, from the kernel's key events; pure, each byte is hostile until it is a text.

These devices play a keyboard and type codes of a US one, whatever layout the system has: so that is how they are read
(linux/input-event-codes.h). A scan ends with Enter or Tab, is short and fast; all else is refused, never guessed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

LONGEST = 512
"""Characters of the longest scan: a QR code of ours has at most a few hundred."""
PATIENCE = 1.0
"""Seconds between two keys after which the rest of a scan doesn't come any more; a scanner types faster by far."""
EVENT = struct.Struct("llHHi")
"""struct input_event: seconds, microseconds, type, code, value; native sizes, as the kernel writes it."""

_EV_SYN, _EV_KEY = 0, 1
_SYN_REPORT, _SYN_DROPPED = 0, 3
_ENDS = frozenset({28, 15, 96})  # Enter, Tab, Enter of the number pad
_SHIFTS = frozenset({42, 54})


def _row(first: int, plain: str, shifted: str) -> dict[int, tuple[str, str]]:
    return {first + place: pair for place, pair in enumerate(zip(plain, shifted, strict=True))}


_PADS = {71: "7", 72: "8", 73: "9", 74: "-", 75: "4", 76: "5", 77: "6", 78: "+", 79: "1", 80: "2", 81: "3", 82: "0"}
_LETTERS: dict[int, tuple[str, str]] = {
    **_row(2, "1234567890-=", "!@#$%^&*()_+"),
    **_row(16, "qwertyuiop[]", "QWERTYUIOP{}"),
    **_row(30, "asdfghjkl;'`", 'ASDFGHJKL:"~'),
    **_row(43, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
    57: (" ", " "),
    **{code: (letter, letter) for code, letter in {**_PADS, 55: "*", 83: ".", 98: "/"}.items()},
}


@dataclass(frozen=True)
class Scan:
    """One whole text of printable ASCII, 1 to LONGEST characters."""

    text: str = field(repr=False)  # it may be somebody's ticket: never in a log


@dataclass(frozen=True)
class Garbage:
    """What came was no scan. `reason` is "too_long", "unfinished", "lost_keys" or "not_text"."""

    reason: str


class Decoder:
    """Reads one device. `feed` takes whatever bytes came, cut anywhere."""

    def __init__(self) -> None:
        self._rest = b""
        self._shift: set[int] = set()
        self._clear()
        self._dropped = False

    def feed(self, raw: bytes, now: float) -> list[Scan | Garbage]:
        """Return what ended with these bytes; `now` is a monotonic clock's seconds."""
        found = self.overdue(now)
        come = self._rest + raw
        cut = len(come) // EVENT.size * EVENT.size
        self._rest = come[cut:]
        for _, _, kind, code, value in EVENT.iter_unpack(come[:cut]):
            ended = self._take(kind, code, value, now)
            if ended is not None:
                found.append(ended)
        return found

    def overdue(self, now: float) -> list[Scan | Garbage]:
        """Return what is given up because its end doesn't come."""
        if not (self._text or self._wrong) or now - self._last <= PATIENCE:
            return []
        wrong = self._wrong or "unfinished"
        self._clear()
        return [Garbage(wrong)]

    def _clear(self) -> None:
        self._text, self._wrong, self._last = "", "", 0.0

    def _take(self, kind: int, code: int, value: int, now: float) -> Scan | Garbage | None:
        if kind == _EV_SYN:
            # The kernel's buffer ran over (Documentation/input/event-codes.rst): what is missing can't be known.
            if code == _SYN_DROPPED:
                self._dropped, self._wrong, self._last = True, "lost_keys", now
                self._shift.clear()
            elif code == _SYN_REPORT:
                self._dropped = False
            return None
        if kind != _EV_KEY or self._dropped:
            return None
        if code in _SHIFTS:
            (self._shift.add if value else self._shift.discard)(code)
            return None
        return self._press(code, now) if value == 1 else None  # 0 is a release, 2 a key that is held

    def _press(self, code: int, now: float) -> Scan | Garbage | None:
        if code in _ENDS:
            text, wrong = self._text, self._wrong
            self._clear()
            if wrong:
                return Garbage(wrong)
            return Scan(text) if text else None
        self._last = now
        pair = _LETTERS.get(code)
        if pair is None:
            self._wrong = self._wrong or "not_text"
        elif len(self._text) >= LONGEST:
            self._wrong, self._text = "too_long", ""
        elif not self._wrong:
            self._text += pair[bool(self._shift)]
        return None
