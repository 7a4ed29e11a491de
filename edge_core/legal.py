# SPDX-License-Identifier: EUPL-1.2
"""Where the legal record stands: its injunction, its state, and whether new sessions have to wait for it.

The record itself is sealed by the gateway agent's recorder; nothing here can read it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edge_core import clock
from edge_core.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from edge_core.settings import Settings

RECORDING, IDLE, FULL = "recording", "idle", "full"
_STATE, _INJUNCTION = "legal.json", "injunction.json"
_STALE = 30.0  # seconds without a sign of life after which the recorder counts as dead
_LARGEST = 4096


@dataclass(frozen=True)
class Injunction:
    """An order to record, from when until when (seconds since 1970), and under which reference."""

    reference: str
    since: float
    until: float

    def holds(self, now: float) -> bool:
        """Tell whether it is in force."""
        return self.since <= now < self.until


def folder(settings: Settings) -> Path:
    """Return where the sealed record is kept."""
    return settings.device.state_dir / "legal"


def injunction(settings: Settings) -> Injunction | None:
    """Return the injunction that was noted last; None where there is none."""
    found = _read(folder(settings) / _INJUNCTION)
    try:
        return Injunction(str(found["reference"]), float(found["since"]), float(found["until"]))
    except (KeyError, TypeError, ValueError):
        return None


def note_injunction(settings: Settings, order: Injunction | None) -> None:
    """Note an injunction, or that there is none any more. Raises OSError."""
    _write(folder(settings) / _INJUNCTION, asdict(order) if order else {})


def is_wanted(settings: Settings, now: float) -> bool:
    """Tell whether connections are to be recorded at `now`."""
    if settings.legal.record == "injunction":
        order = injunction(settings)
        return order is not None and order.holds(now)
    return settings.legal.record == "on"


def tell_state(settings: Settings, state: str) -> None:
    """Note the recorder's state and that it lives. Raises OSError."""
    _write(settings.run_dir / _STATE, {"state": state, "running": clock.monotonic(), "at": clock.now()})


def state(settings: Settings) -> str:
    """Return the recorder's state, "" where it gives no sign of life."""
    found = _read(settings.run_dir / _STATE)
    running = found.get("running")
    fresh = isinstance(running, int | float) and 0 <= clock.monotonic() - running < _STALE
    return str(found.get("state", "")) if fresh else ""


def last_sign(settings: Settings) -> float | None:
    """Return when the recorder gave its last sign of life (seconds since 1970)."""
    at = _read(settings.run_dir / _STATE).get("at")
    return float(at) if isinstance(at, int | float) else None


def require_open(settings: Settings, now: float) -> None:
    """Refuse a new session that could not be recorded, where the operator wants it so. Raises StoreError."""
    if settings.legal.when_full != "stop" or settings.enforcement.mode == "none" or not is_wanted(settings, now):
        return
    if state(settings) not in (RECORDING, IDLE):
        raise StoreError(
            "No new session can be opened: the legal record can't be written.",
            remedy="`parvis legal status` says why. Sessions that are open go on.",
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(_LARGEST))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, value: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o2770)
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(value), encoding="utf-8")
    draft.replace(path)
