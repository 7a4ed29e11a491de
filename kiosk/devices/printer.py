# SPDX-License-Identifier: EUPL-1.2
"""The line to one ticket printer: writes bytes to /dev/usb/lp* and reads its answers, never longer than it may take.

A printer that answers nothing at all is printed on as well, without knowing of its paper; so is one that tells its
state and has no answer in turn (GS r).
"""

from __future__ import annotations

import errno
import os
import select
import time
from typing import TYPE_CHECKING

from kiosk.devices import status

if TYPE_CHECKING:
    from collections.abc import Callable

_PIECE = 512
_ANSWER_SECONDS = 1.0
_WRITE_SECONDS = 15.0
"""A printer takes no byte for so long only while it can't print (paper, cover)."""


class PrinterGoneError(Exception):
    """The printer was pulled out, or takes nothing any more. `tried`: some of these bytes may have reached it."""

    def __init__(self, *, tried: bool = True) -> None:
        super().__init__("the printer is gone")
        self.tried = tried


class Printer:
    """One open printer. `close` lets it go."""

    def __init__(self, node: str) -> None:
        """Open the printer's file. Raises OSError."""
        self._file = os.open(node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        self.low = False
        self._answers_in_turn = True
        self._mute = False

    def close(self) -> None:
        """Let it go."""
        os.close(self._file)

    def state(self) -> status.State:
        """Ask how it is. Raises PrinterGoneError."""
        self._discard()
        offline = self._ask(status.ASK_OFFLINE, status.is_answer)
        paper = self._ask(status.ASK_PAPER, status.is_answer) if offline is not None else None
        found = status.judge(offline, paper)
        self._mute, self.low = found is None, status.is_low(paper)
        return found or "ready"

    def write(self, raw: bytes) -> None:
        """Give it bytes. Raises PrinterGoneError."""
        taken, tried = 0, False
        while taken < len(raw):
            try:
                if not self._wait(select.POLLOUT, _WRITE_SECONDS):
                    raise PrinterGoneError(tried=tried)
                tried = True  # usblp may fail after it has handed bytes on
                taken += os.write(self._file, raw[taken : taken + _PIECE])
            except BlockingIOError:
                continue
            except OSError as error:
                raise PrinterGoneError(tried=tried) from error

    def through(self, seconds: float, turn: Callable[[], None]) -> bool:
        """Wait until all that was sent is printed; False where no answer came in time. Raises PrinterGoneError."""
        if self._mute or not self._answers_in_turn:
            return True
        self._discard()
        self.write(status.ASK_IN_TURN)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            turn()
            byte = self._read(_ANSWER_SECONDS)
            if byte is not None and status.is_in_turn(byte):
                return True
        return False

    def knows_no_turn(self) -> bool:
        """Tell, after no answer came in turn, whether the printer is well and just has none; then none is awaited."""
        self._answers_in_turn = self.state() != "ready"
        return not self._answers_in_turn

    def _ask(self, question: bytes, fits: Callable[[int], bool]) -> int | None:
        self.write(question)
        byte = self._read(_ANSWER_SECONDS)
        return byte if byte is not None and fits(byte) else None

    def _read(self, seconds: float) -> int | None:
        try:
            if not self._wait(select.POLLIN, seconds):
                return None
            raw = os.read(self._file, 1)
        except BlockingIOError:
            return None
        except OSError as error:
            raise PrinterGoneError from error
        return raw[0] if raw else None  # some printers send empty packets

    def _wait(self, wanted: int, seconds: float) -> bool:
        """Wait until it can be read or written; False where it can't. Raises OSError where it is gone."""
        waiting = select.poll()
        waiting.register(self._file, wanted)
        found = waiting.poll(seconds * 1000)
        if found and found[0][1] & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
            raise OSError(errno.ENODEV, "pulled out")
        return bool(found)

    def _discard(self) -> None:
        """Throw away answers that came too late for their question."""
        for _ in range(256):
            if self._read(0.0) is None:
                return
