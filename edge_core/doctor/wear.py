# SPDX-License-Identifier: EUPL-1.2
"""Says how fast the card that holds the state is written full, against what such a card survives; reads /sys only.

Cards seldom tell their wear. Counted is what the kernel wrote since boot (block/stat, sectors of 512 bytes), against a
budget that is our assumption, on the careful side: as much as 100 times the card's size within five years.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_SYS = Path("/sys/dev/block")
_SECTOR = 512
_WRITTEN = 6  # field of block/stat: sectors written (kernel's Documentation/block/stat.rst)
_FULL_WRITES, _DAYS = 100, 5 * 365
_DAY = 86_400.0
_SOON = 3600.0  # seconds of uptime below which a rate says nothing: a boot writes more than a day


@dataclass(frozen=True)
class Wear:
    """Bytes written since boot, `uptime` in seconds, size of the whole device in bytes, and its name in /sys."""

    name: str
    written: int
    size: int
    uptime: float

    @property
    def budget(self) -> float:
        """Bytes a day that the card survives for five years."""
        return self.size * _FULL_WRITES / _DAYS

    @property
    def daily(self) -> float | None:
        """Bytes a day at the rate since boot; None where that is too short a time."""
        return self.written * _DAY / self.uptime if self.uptime >= _SOON else None

    def told(self) -> str:
        """Return it in words."""
        budget = f"the card's budget is {self.budget / 1e9:.1f} GB a day for five years"
        if self.daily is None:
            return f"{self.written / 1e6:.0f} MB written since boot, too early to say; {budget}"
        return f"{self.daily / 1e9:.2f} GB written a day; {budget}"


def of(folder: Path, uptime: float, sys: Path = _SYS) -> Wear | None:
    """Return the wear of the block device under `folder`; None where that is memory, an overlay, or missing."""
    try:
        number = os.stat(folder).st_dev  # noqa: PTH116  beside os.major
        device = (sys / f"{os.major(number)}:{os.minor(number)}").resolve(strict=True)
        if (device / "partition").exists():
            device = device.parent
        written = int((device / "stat").read_text(encoding="ascii").split()[_WRITTEN]) * _SECTOR
        size = int((device / "size").read_text(encoding="ascii")) * _SECTOR
    except (OSError, ValueError, IndexError):
        return None
    return Wear(device.name, written, size, uptime)
