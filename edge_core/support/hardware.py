# SPDX-License-Identifier: EUPL-1.2
"""Reads the computer's own health: temperature, supply voltage, model. From /sys and /proc only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_THERMAL = Path("/sys/class/thermal")
_THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
_MODEL = Path("/proc/device-tree/model")
_COLDEST, _HOTTEST = -50, 150  # what is beyond is a broken sensor
_NOW, _EVER = 0x1, 0x10000  # bits of under-voltage (vcgencmd get_throttled, Raspberry Pi documentation)


@dataclass(frozen=True)
class Health:
    """`temperature` in degrees Celsius of the hottest sensor; None for what this computer doesn't tell."""

    temperature: float | None
    under_voltage: bool | None
    under_voltage_since_boot: bool | None


def read(thermal: Path = _THERMAL, throttled: Path = _THROTTLED, hwmon: Path = Path("/sys/class/hwmon")) -> Health:
    """Return the health as the kernel tells it now."""
    told = [_whole(path) for path in sorted(thermal.glob("thermal_zone*/temp"))]
    plausible = [each / 1000 for each in told if each is not None and _COLDEST < each / 1000 < _HOTTEST]
    bits = _whole(throttled, 16)
    now = None if bits is None else bool(bits & _NOW)
    ever = None if bits is None else bool(bits & _EVER)
    if bits is None:
        alarms = [value for path in hwmon.glob("hwmon*/in0_lcrit_alarm") if (value := _whole(path)) is not None]
        now = bool(max(alarms)) if alarms else None  # raspberrypi_hwmon: no memory of what was
    return Health(max(plausible) if plausible else None, now, ever)


def model(path: Path = _MODEL) -> str:
    """Return what computer this is, as its device tree says; "" where there is none."""
    try:
        return path.read_bytes().rstrip(b"\0").decode("utf-8", "replace")
    except OSError:
        return ""


def _whole(path: Path, base: int = 10) -> int | None:
    try:
        return int(path.read_text(encoding="ascii").strip(), base)
    except (OSError, ValueError):
        return None
