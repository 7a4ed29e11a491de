# SPDX-License-Identifier: EUPL-1.2
"""What a ticket printer's status bytes say (ESC/POS, DLE EOT n and GS r 1); pure.

Each answer is one byte whose bits 0, 1, 4 and 7 are fixed: anything else is no answer, such as what a printer of
another kind sends by itself.
"""

from __future__ import annotations

from typing import Literal

State = Literal["ready", "paper", "cover", "busy", "fault"]

ASK_OFFLINE, ASK_PAPER, ASK_FAULT = b"\x10\x04\x02", b"\x10\x04\x04", b"\x10\x04\x03"
"""Answered at once, also while the printer can't print (DLE EOT)."""
ASK_IN_TURN = b"\x1d\x72\x01"
"""Answered when all that was sent before is through (GS r 1)."""
PAPER_LOW = 0x0C  # near end: it still prints

_FIXED, _VALUE = 0b10010011, 0b00010010
_COVER, _FEED, _NO_PAPER, _ERROR = 0x04, 0x08, 0x20, 0x40
_PAPER_END = 0x60
_CUTTER, _UNRECOVERABLE, _RECOVERS = 0x08, 0x20, 0x40


def is_answer(byte: int) -> bool:
    """Tell whether a byte is the answer to DLE EOT."""
    return byte & _FIXED == _VALUE


def is_in_turn(byte: int) -> bool:
    """Tell whether a byte is the answer to GS r 1: its upper half is zero but for bits 5 and 6, which are unused."""
    return byte & 0b10010000 == 0


def judge(offline: int | None, paper: int | None) -> State | None:
    """Return how the printer is from the answers to ASK_OFFLINE and ASK_PAPER; None where it gives none."""
    if offline is None and paper is None:
        return None
    if (offline or 0) & _COVER:
        return "cover"
    if (paper or 0) & _PAPER_END or (offline or 0) & _NO_PAPER:
        return "paper"
    if (offline or 0) & _ERROR:
        return "fault"
    return "busy" if (offline or 0) & _FEED else "ready"


def is_low(paper: int | None) -> bool:
    """Tell whether the roll is near its end."""
    return bool((paper or 0) & PAPER_LOW)
