# SPDX-License-Identifier: EUPL-1.2
"""The page's words, French first, and how numbers and times are written."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

_WORDS = json.loads(Path(__file__).with_name("words.json").read_text(encoding="utf-8"))
LANGUAGES = {language: parts["page"] for language, parts in _WORDS.items()}
VERDICTS = {language: parts["verdicts"] for language, parts in _WORDS.items()}
STATES = {language: parts["states"] for language, parts in _WORDS.items()}
EVENTS = {language: parts["events"] for language, parts in _WORDS.items()}
NONE = "\u2013"
_MINUTE, _HOUR, _KILO, _TEN = 60, 3600, 1000, 10


def number(value: int, language: str) -> str:
    """Write an integer with its thousands apart."""
    return f"{value:,}".replace(",", "\u202f" if language == "fr" else ",")


def clock(at: float) -> str:
    """Write a time of day; an impossible one as a dash."""
    try:
        return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return NONE


def duration(seconds: float) -> str:
    """Write a duration in its two largest units."""
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d}"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d}"


def size(count: int, language: str) -> str:
    """Write a number of bytes in decimal units."""
    byte = "o" if language == "fr" else "B"
    value = float(count)
    for prefix in ("", "k", "M", "G"):
        if value < _KILO:
            digits = f"{value:.0f}" if not prefix or value >= _TEN else f"{value:.1f}"
            return (digits.replace(".", ",") if language == "fr" else digits) + f"\u202f{prefix}{byte}"
        value /= _KILO
    return f"{value:.1f}\u202fT{byte}"
