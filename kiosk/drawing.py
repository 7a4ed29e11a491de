# SPDX-License-Identifier: EUPL-1.2
"""Reads from the head of a plan's SVG which part of the plane it shows, so that places can be marked over it. Pure.

The drawing itself is shown as an image: it keeps its own style, and nothing in it can run or load anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HEAD = 4096
"""Bytes of an SVG in which its opening tag must end."""
_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)"
_OPENING = re.compile(r"<svg\b[^>]*>", re.DOTALL)
_BOX = re.compile(rf"""\bviewBox\s*=\s*["']\s*({_NUMBER})[\s,]+({_NUMBER})[\s,]+({_NUMBER})[\s,]+({_NUMBER})\s*["']""")
_SIDE = re.compile(rf"""\s(width|height)\s*=\s*["']\s*({_NUMBER})(?:px)?\s*["']""")


@dataclass(frozen=True)
class Box:
    """The part of the plane that a drawing shows, in its own units (SVG 2, viewBox)."""

    x: float
    y: float
    width: float
    height: float

    def __str__(self) -> str:
        return f"{self.x:g} {self.y:g} {self.width:g} {self.height:g}"

    @property
    def unit(self) -> float:
        """A length that looks the same on a plan of any scale: a thousandth of its longer side."""
        return max(self.width, self.height) / 1000


def box(head: str) -> Box | None:
    """Return what the SVG that begins with `head` shows, or None where it doesn't say."""
    opening = _OPENING.search(head)
    if opening is None:
        return None
    if found := _BOX.search(opening[0]):
        numbers = [float(number) for number in found.groups()]
    else:
        sides = {name: float(size) for name, size in _SIDE.findall(opening[0])}
        numbers = [0.0, 0.0, sides.get("width", 0.0), sides.get("height", 0.0)]
    return Box(*numbers) if numbers[2] > 0 and numbers[3] > 0 else None
