# SPDX-License-Identifier: EUPL-1.2
"""Hears from the front which kept pages it handed out itself, one datagram each; nothing of it is written down.

nginx speaks syslog (RFC 3164) to a unix socket that it alone may open: priority, time and tag, then the guest's
address, whether a search found something, and the address that was asked. A datagram that finds no room is a page
that isn't counted: nobody waits for it.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Protocol

from edge_core import logs

if TYPE_CHECKING:
    from pathlib import Path

_log = logs.get(__name__)
SOCKET = "PARVIS_FRONT_TOLD"
"""Environment: path of the socket; the unit sets it. Without it nobody listens, and no front keeps pages."""
_LARGEST = 4096
_SECONDS = 20.0  # between two looks at the clock where nobody reads
_TAG = b" parvis: "


class Counts(Protocol):
    """Who takes in what is heard."""

    def turn(self) -> None:
        """Look at the clock."""

    def told(self, address: str, who: str, *, found: bool) -> None:
        """Count one answer."""


def listen(path: Path, counts: Counts) -> None:
    """Listen at `path` in a thread of its own, for as long as the process lives; a socket left behind is replaced."""
    path.unlink(missing_ok=True)
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(str(path))
    path.chmod(0o660)
    heard.settimeout(_SECONDS)
    threading.Thread(target=_hear, args=[heard, counts], name="front_told", daemon=True).start()


def _hear(heard: socket.socket, counts: Counts) -> None:
    while True:
        try:
            with contextlib.suppress(TimeoutError):
                take(heard.recv(_LARGEST), counts)
            counts.turn()
        except Exception as error:  # noqa: BLE001  counting goes on, whatever one datagram held
            _log.warning("front_told_unread", reason=type(error).__name__)


def take(datagram: bytes, counts: Counts) -> None:
    """Count what one datagram says; what isn't in that form is passed over."""
    _, tag, words = datagram.partition(_TAG)
    parts = words.decode("utf-8", "replace").split(" ", 2)
    if tag and len(parts) == 3 and parts[0] and parts[2].startswith("/"):
        counts.told(parts[2], parts[0], found=parts[1] != "0")
