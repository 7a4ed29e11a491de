# SPDX-License-Identifier: EUPL-1.2
"""The settings that the platform may change, each within its bounds, and the file that `sync` keeps them in.

What stands in `state_dir/desired.json` lies above the configuration file and beneath the environment. Whatever is wrong
with it, a device starts: a value that is not on this list, or out of its bounds, is not read.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = "desired.json"
_LARGEST = 65536


class Bounds(NamedTuple):
    """Whole numbers from `least` to `most`."""

    least: int
    most: int


# Nothing here can shut the device off from the platform, its guests or its people, or tell more of them than before.
ALLOWED: Mapping[str, Bounds] = {
    "access.duration": Bounds(300, 86400),
    "access.pre_grant": Bounds(60, 1800),
    "content.interval": Bounds(10, 86400),
    "presence.window": Bounds(60, 3600),
    "presence.minimum": Bounds(10, 1000),
    "uplink.interval": Bounds(5, 300),
    "uplink.patience": Bounds(1, 30),
}


def flaw(settings: Mapping[str, Any]) -> str | None:
    """Say which setting of a wish can't be had and why; None where all can. Pure."""
    for name, value in settings.items():
        bounds = ALLOWED.get(name)
        if bounds is None:
            return f"{name[:60]} is not a setting that the platform may change."
        if type(value) is not int or not bounds.least <= value <= bounds.most:
            return f"{name} must be a whole number from {bounds.least} to {bounds.most}."
    return None


def path(state_dir: Path) -> Path:
    """Return where the wishes of a device are kept."""
    return state_dir / FILE


def read(state_dir: Path) -> dict[str, Any]:
    """Return what is kept, {} where there is nothing or it makes no sense."""
    try:
        with path(state_dir).open("rb") as file:
            kept = json.loads(file.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return kept if isinstance(kept, dict) else {}


def in_force(kept: Mapping[str, Any]) -> dict[str, int]:
    """Return the settings that hold now, those on trial before those applied. Pure."""
    found = kept.get("trial") or kept.get("applied") or {}
    settings = found.get("settings") if isinstance(found, dict) else None
    if not isinstance(settings, dict):
        return {}
    return {name: value for name, value in settings.items() if flaw({name: value}) is None}


def layer(settings: Mapping[str, int], sections: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sections of a configuration with these settings put over them. Pure."""
    whole = dict(sections)
    for name, value in settings.items():
        section, _, key = name.partition(".")
        rows = whole.get(section, {})
        if isinstance(rows, dict):
            whole[section] = {**rows, key: value}
    return whole
