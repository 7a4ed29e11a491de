# SPDX-License-Identifier: EUPL-1.2
"""The clocks of a device, read here only, so that decisions can take the time as an argument.

A Raspberry Pi has no clock while it is off: wall time is worth little until it is synchronised, so each event also
carries the boot's id and its monotonic time, and the platform back-dates what was recorded before synchronisation.
"""

from __future__ import annotations

import ctypes
import time
from functools import cache
from pathlib import Path

_TIMESYNC_MARK = Path("/run/systemd/timesync/synchronized")  # systemd-timesyncd.service(8)
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised


def now() -> float:
    """Return wall time in seconds since 1970, UTC."""
    return time.time()


def monotonic() -> float:
    """Return seconds since boot, suspension included (CLOCK_BOOTTIME, clock_gettime(2))."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@cache
def boot_id() -> str:
    """Return the kernel's random id of this boot (random(4)), or "unknown" where /proc is closed."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)  # opening it costs more than all calls of an event


class _Timex(ctypes.Structure):
    """`struct timex` of adjtimex(2); only `modes` = 0 (read) is used, the rest is room for the kernel to write."""

    _fields_ = (("modes", ctypes.c_uint), ("room", ctypes.c_byte * 256))


def synchronised() -> bool:
    """Tell whether the kernel holds the clock to be synchronised (adjtimex(2)).

    A unit's sandbox refuses that call even for reading; there, systemd-timesyncd's mark of this boot is asked.
    """
    state = _libc().adjtimex(ctypes.byref(_Timex()))
    return _TIMESYNC_MARK.exists() if state == -1 else state != _TIME_ERROR
