# SPDX-License-Identifier: EUPL-1.2
"""Tells systemd that this process is ready and still well (sd_notify(3)), in its own datagrams; without it, nothing.

Nothing here raises: a supervisor that doesn't listen is no reason to stop serving.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_BEATS_IN_LIMIT = 3  # one lost beat, or one long step, must not look like a death


def ready() -> bool:
    """Tell that this process does its work from now on."""
    return send("READY=1")


def alive() -> bool:
    """Tell that this process was just seen at work."""
    return send("WATCHDOG=1")


def send(message: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Send one state to the supervisor; False where there is none, or it doesn't listen."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.sendto(message.encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)
    except OSError:
        return False
    return True


def interval(environ: Mapping[str, str] = os.environ) -> float | None:
    """Return the seconds between two signs of life that WatchdogSec= wants; None where nobody watches."""
    try:
        seconds = int(environ.get("WATCHDOG_USEC", "0")) / 1e6 / _BEATS_IN_LIMIT
    except ValueError:
        return None
    return seconds if seconds > 0 else None


class Pulse:
    """For a loop that turns often: `beat` at every turn, and systemd hears of it as often as it wants to."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        """Take the wanted interval from the environment."""
        self._every = interval(environ)
        self._due = 0.0

    def beat(self, moment: float) -> None:
        """Note a turn of the loop at `moment`, seconds of a monotonic clock."""
        if self._every is not None and moment >= self._due:
            self._due = moment + self._every
            alive()
