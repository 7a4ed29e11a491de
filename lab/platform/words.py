# SPDX-License-Identifier: EUPL-1.2
"""The page's words, French first, and how numbers and times are written."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

_WORDS = json.loads(Path(__file__).with_name("words.json").read_text(encoding="utf-8"))
LANGUAGES = {language: parts["page"] for language, parts in _WORDS.items()}
VERDICTS = {language: parts["verdicts"] for language, parts in _WORDS.items()}
STATES = {language: parts["states"] for language, parts in _WORDS.items()}
EVENTS = {language: parts["events"] for language, parts in _WORDS.items()}
_LABELS = {language: parts["labels"] for language, parts in _WORDS.items()}
# Ids and packet counts say nothing to a reader; /api/events has them.
_UNSAID = {"session", "request", "up_packets", "down_packets"}
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


def label(word: str, language: str) -> str:
    """Name a machine's word for people; an unknown one as it is."""
    return str(_LABELS[language].get(word, word))


def detail(data: dict[str, Any], language: str) -> list[tuple[str, str]]:
    """Write an event's data as pairs of words, nested forms flattened, numbers with their units."""
    pairs = []
    for key, value in data.items():
        if isinstance(value, dict):
            pairs += detail(value, language)
        elif key not in _UNSAID and value is not None and value != "":
            pairs.append((label(key, language), _written(key, value, language)))
    return pairs


def _written(key: str, value: object, language: str) -> str:
    whole = isinstance(value, int | float) and not isinstance(value, bool)
    if whole and key.endswith("_bytes"):
        return size(int(value), language)  # type: ignore[call-overload]
    if whole and key in {"duration", "seconds"}:
        return duration(float(value))  # type: ignore[arg-type]
    if whole and key == "start":
        return clock(float(value))  # type: ignore[arg-type]
    return label(value, language) if isinstance(value, str) else str(value)
