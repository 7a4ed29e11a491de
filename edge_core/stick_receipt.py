# SPDX-License-Identifier: EUPL-1.2
"""What became of the content of the stick that was plugged in last: run_dir/stick.json, written whole by who took it.

{"node": "/dev/sda1", "state": "taken" or "rejected", "reason": English, "" where taken, "at": seconds since 1970}
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from edge_core import durable

if TYPE_CHECKING:
    from pathlib import Path

NAME = "stick.json"
_LARGEST, _LONGEST = 4096, 300
_STATES = ("taken", "rejected")


@dataclass(frozen=True)
class Receipt:
    """The stick at `node` was taken or rejected, at `at` (seconds since 1970); `reason` is for the technician."""

    node: str
    state: Literal["taken", "rejected"]
    reason: str
    at: float


def write(run_dir: Path, receipt: Receipt) -> None:
    """Leave a receipt, in place of the one before. Raises OSError."""
    durable.replace(run_dir / NAME, json.dumps(asdict(receipt)).encode(), mode=0o640)


def read(run_dir: Path) -> Receipt | None:
    """Return the last receipt; None where there is none that can be read."""
    try:
        with (run_dir / NAME).open("rb") as file:
            told = json.loads(file.read(_LARGEST))
        node, state, reason, at = (told[name] for name in ("node", "state", "reason", "at"))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    if state not in _STATES or not isinstance(node, str) or not isinstance(at, int | float):
        return None
    return Receipt(node, state, plain(str(reason)), float(at))


def plain(text: str) -> str:
    """Return a reason as it is shown: one line of printable text, for a stick may have chosen some of its words."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:_LONGEST]
