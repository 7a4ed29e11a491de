# SPDX-License-Identifier: EUPL-1.2
"""Reads from the front which kept pages it handed out itself, and forgets it at once.

nginx writes a line for each into a file in memory (tmpfs) that only those two users may open: the guest's address,
whether a search found something, and the address that was asked. We empty it every second. A datagram for each page
would forget sooner, and cost as much of the processor as the page itself (docs/benchmarks.md).
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Protocol

from edge_core import logs

if TYPE_CHECKING:
    from pathlib import Path

_log = logs.get(__name__)
FILE = "PARVIS_FRONT_TOLD"
"""Environment: path of the file; the unit sets it. Without it nobody reads, and no front keeps pages."""
_SECONDS = 1.0
_MOST = 1 << 22  # bytes of a look: more pages in a second than nginx hands out here


class Counts(Protocol):
    """Who takes in what is read."""

    def turn(self) -> None:
        """Look at the clock."""

    def told(self, address: str, who: str, *, found: bool) -> None:
        """Count one answer."""


def listen(path: Path, counts: Counts) -> None:
    """Read `path` in a thread of its own, for as long as the process lives; it need not be there yet."""
    threading.Thread(target=_go_on, args=[path, counts], name="front_told", daemon=True).start()


def _go_on(path: Path, counts: Counts) -> None:
    while True:
        time.sleep(_SECONDS)
        try:
            look(path, counts)
            counts.turn()
        except Exception as error:  # noqa: BLE001  counting goes on, whatever one line held
            _log.warning("front_told_unread", reason=type(error).__name__)


def look(path: Path, counts: Counts) -> None:
    """Count what the file holds, and empty it.

    The same guest's same page within a second counts once. A line that is written between the reading and the emptying
    is a page that isn't counted.
    """
    with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
        if lines := file.read(_MOST):
            file.truncate(0)
            for line in dict.fromkeys(lines.splitlines()):
                take(line, counts)


def take(line: bytes, counts: Counts) -> None:
    """Count what one line says; what isn't in that form is passed over."""
    parts = line.decode("utf-8", "replace").split(" ", 2)
    if len(parts) == 3 and parts[0] and parts[2].startswith("/"):
        counts.told(parts[2], parts[0], found=parts[1] != "0")
