# SPDX-License-Identifier: EUPL-1.2
"""Opens scanners, badge readers and unknown keyboards for itself alone (EVIOCGRAB), so that none types into the page.

Scanners, badge readers and number pads are read; what an unknown keyboard says is thrown away.
"""

from __future__ import annotations

import fcntl
import os
import selectors
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_core import logs
from kiosk.devices.keypad import Keypad
from kiosk.devices.wedge import Decoder, Garbage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kiosk.devices.keypad import Press
    from kiosk.devices.wedge import Scan

    Heard = Scan | Garbage | Press

_log = logs.get(__name__)
_EVIOCGRAB = 0x40044590  # _IOW('E', 0x90, int), linux/input.h
_PIECE = 24 * 64
READ = frozenset({"scanner", "badge", "keypad"})


@dataclass
class _Open:
    role: str
    node: str
    decoder: Decoder | Keypad


class Readers:
    """Holds the open devices; one thread calls all of it. `heard` gets (role, what)."""

    def __init__(self, heard: Callable[[str, Heard], None], *, grab: bool = True) -> None:
        self._heard, self._grab = heard, grab
        self._selector = selectors.DefaultSelector()

    def add(self, role: str, node: str) -> str:
        """Open a device; return "ready", or why not: "denied", "in_use", "absent"."""
        if any(key.data.node == node for key in self._selector.get_map().values()):
            return "ready"
        try:
            device = os.open(node, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            _log.warning("reader_not_opened", role=role, reason=error.strerror)
            return "denied" if isinstance(error, PermissionError) else "absent"
        try:
            if self._grab:
                fcntl.ioctl(device, _EVIOCGRAB, 1)
        except OSError as error:
            os.close(device)
            _log.warning("reader_not_grabbed", role=role, reason=error.strerror)
            return "in_use"
        self._selector.register(
            device, selectors.EVENT_READ, _Open(role, node, Keypad() if role == "keypad" else Decoder())
        )
        return "ready"

    def remove(self, node: str) -> None:
        """Close a device; a scan of it that wasn't finished is forgotten."""
        for key in [key for key in self._selector.get_map().values() if key.data.node == node]:
            self._close(key)

    def turn(self, seconds: float) -> None:
        """Wait up to `seconds` for keys, and tell what ended."""
        if not self._selector.get_map():
            time.sleep(seconds)
            return
        for key, _ in self._selector.select(seconds):
            self._read(key)
        for key in self._selector.get_map().values():
            self._tell(key.data, key.data.decoder.overdue(time.monotonic()))

    def close(self) -> None:
        """Let all go."""
        for key in list(self._selector.get_map().values()):
            self._close(key)
        self._selector.close()

    def _read(self, key: selectors.SelectorKey) -> None:
        try:
            raw = os.read(key.fd, _PIECE)
        except BlockingIOError:
            return
        except OSError:  # unplugged: udev tells the rest
            raw = b""
        if not raw:
            self._close(key)
            return
        self._tell(key.data, key.data.decoder.feed(raw, time.monotonic()))

    def _tell(self, device: _Open, found: Sequence[Heard]) -> None:
        if device.role in READ:
            for each in found:
                self._heard(device.role, each)

    def _close(self, key: selectors.SelectorKey) -> None:
        self._selector.unregister(key.fd)
        os.close(key.fd)
