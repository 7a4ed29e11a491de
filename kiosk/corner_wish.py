# SPDX-License-Identifier: EUPL-1.2
"""What a visitor chose of the public service corner, on its way from the page to who opens it: `run_dir/corner.json`.

Nothing of the person is in it. Who opens the corner takes it away; what nobody took is worthless after FRESH seconds.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from edge_core.i18n import EASY, NAMES

if TYPE_CHECKING:
    from pathlib import Path

FRESH = 20.0
_LARGEST = 1024


@dataclass(frozen=True)
class Wish:
    """The record of `administrations` to begin with, the tongue of its words (kiosk.view.TONGUES), the wall's time."""

    administration: str
    tongue: str
    at: float


def leave(run_dir: Path, wish: Wish) -> None:
    """Write it, whole or not at all. Raises OSError."""
    run_dir.mkdir(parents=True, exist_ok=True)
    fresh = run_dir / "corner.new"
    fresh.write_text(json.dumps(asdict(wish)), encoding="utf-8")
    fresh.replace(_file(run_dir))


def read(run_dir: Path, now: float) -> Wish | None:
    """Return the wish that waits; None where there is none, or it is old or no wish."""
    try:
        with _file(run_dir).open("rb") as file:
            told = json.loads(file.read(_LARGEST))
        wish = Wish(str(told["administration"]), str(told["tongue"]), float(told["at"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return wish if wish.tongue in {*NAMES, EASY} and abs(now - wish.at) <= FRESH else None


def take(run_dir: Path, now: float) -> Wish | None:
    """Return the wish that waits, once."""
    wish = read(run_dir, now)
    _file(run_dir).unlink(missing_ok=True)
    return wish


def _file(run_dir: Path) -> Path:
    return run_dir / "corner.json"
