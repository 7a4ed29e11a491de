# SPDX-License-Identifier: EUPL-1.2
"""What becomes of the content of the stick that was plugged in last: run_dir/stick.json, written whole by who takes it.

{"node": "/dev/sda1", "state": "reading", "taken" or "rejected", "reason": English, "" unless rejected,
"at": seconds since 1970, "percent": how many of its files are here}
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, get_args

from edge_core import durable
from edge_core.one_line import one_line

if TYPE_CHECKING:
    from pathlib import Path

NAME = "stick.json"
_LARGEST, _LONGEST = 4096, 300
State = Literal["reading", "taken", "rejected"]
_STATES = get_args(State)


@dataclass(frozen=True)
class Receipt:
    """How it stood with the stick at `node`, at `at` (seconds since 1970); `reason` is for the technician."""

    node: str
    state: State
    reason: str
    at: float
    percent: int = 100


def write(run_dir: Path, receipt: Receipt) -> None:
    """Leave a receipt, in place of the one before. Raises OSError."""
    durable.replace(run_dir / NAME, json.dumps(asdict(receipt)).encode(), mode=0o640)


def read(run_dir: Path) -> Receipt | None:
    """Return the last receipt; None where there is none that can be read."""
    try:
        with (run_dir / NAME).open("rb") as file:
            told = json.loads(file.read(_LARGEST))
        node, state, reason, at, percent = (told[name] for name in ("node", "state", "reason", "at", "percent"))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    if state not in _STATES or not isinstance(node, str) or not isinstance(at, int | float):
        return None
    if not isinstance(percent, int) or not 0 <= percent <= 100:
        return None
    return Receipt(node, state, plain(str(reason)), float(at), percent)


def plain(text: str) -> str:
    """Return a reason as it is shown: one line of printable text, for a stick may have chosen some of its words."""
    return one_line(text)[:_LONGEST]
