# SPDX-License-Identifier: EUPL-1.2
"""Reads whether the park's way to the Internet is open, as whoever watches it has written: run_dir/uplink.json.

{"up": true or false, "since": seconds since 1970, "milliseconds": of the last answer, or null}, replaced whole by a
rename. No file, or one that can't be read, says
nothing: then nothing is told to people either.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NAME = "uplink.json"
_LARGEST = 4096


@dataclass(frozen=True)
class Uplink:
    """The state of the uplink, and since when (epoch seconds)."""

    up: bool
    since: float
    milliseconds: int | None = None
    """How long the last answer took; None where nothing answered."""


def read(run_dir: Path) -> Uplink | None:
    """Return the state, or None where nobody tells it."""
    try:
        with (run_dir / NAME).open("rb") as file:
            told = json.loads(file.read(_LARGEST))
    except (OSError, ValueError):
        return None
    if not isinstance(told, dict):
        return None
    up, since = told.get("up"), told.get("since")
    took = told.get("milliseconds")
    good = isinstance(up, bool) and isinstance(since, int | float) and 0 <= since < 1e11
    return Uplink(bool(up), float(since or 0), took if type(took) is int else None) if good else None
