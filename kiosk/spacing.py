# SPDX-License-Identifier: EUPL-1.2
"""Keeps French marks and units on the line of their word, however the content was typed; pure."""

from __future__ import annotations

import re

# "Quoi ?", "stage : affiché", « ceci », "12 €", "50 %", "8 h", "18 h 30".
_SPACE = re.compile(r" (?=[?!:;»€%])|(?<=«) |(?<=\d) (?=h\b)|(?<=\d h) (?=\d\d\b)")


def bound(text: str) -> str:
    """Return `text` with no-break spaces where French doesn't let a line end; other languages have none there."""
    return _SPACE.sub("\N{NO-BREAK SPACE}", text)
