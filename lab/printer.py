# SPDX-License-Identifier: EUPL-1.2
"""A ticket printer that isn't there: a pseudo-terminal that reads ESC/POS, can be pulled out, and shows its paper.

It stands for /dev/usb/lp*: what is written is taken into a buffer first, as USB does, and answers come back.
"""

from __future__ import annotations

import os
import select
import threading
import tty
from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import segno
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Iterator

_FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf"
_PAGES = {
    0: "cp437",
    2: "cp850",
    3: "cp860",
    14: "cp737",
    15: "iso8859_7",
    16: "cp1252",
    17: "cp866",
    18: "cp852",
    19: "cp858",
}
# How many bytes follow a command, where that is fixed.
_FIXED = {
    b"\x1b@": 0, b"\x1ba": 1, b"\x1bE": 1, b"\x1bt": 1, b"\x1b!": 1, b"\x1b-": 1, b"\x1bM": 1, b"\x1b{": 1,
    b"\x1bd": 1, b"\x1b2": 0, b"\x1b3": 1, b"\x1d!": 1, b"\x1db": 1, b"\x1dB": 1, b"\x1da": 1, b"\x1dr": 1,
}  # fmt: skip
_DEFAULT_FEED = 30


@dataclass
class Paper:
    """What came out: lines (text, scale, bold, align), codes (content, size) and cuts ("cut",), in their order."""

    printed: list[tuple[object, ...]] = field(default_factory=list)

    def codes(self) -> list[str]:
        """Return the contents of the QR codes that came out."""
        return [str(what[1]) for what in self.printed if what[0] == "code"]

    def text(self) -> str:
        """Return the text that came out."""
        return "\n".join(str(what[1]) for what in self.printed if what[0] == "line")

    def picture(self, millimetres: int = 80) -> Image.Image:
        """Draw it as it would lie in a hand, at 8 dots a millimetre."""
        width = {58: 384, 80: 512}[millimetres]
        columns = {58: 32, 80: 42}[millimetres]
        sheet = Image.new("L", (width, 4000), 255)
        height = _draw(sheet, self.printed, width // columns)
        return sheet.crop((0, 0, width, height + 40))


class Printer:
    """One printer; its `node` changes each time that it is plugged in again. `fault` is "", "paper" or "cover"."""

    def __init__(self) -> None:
        self.paper = Paper()
        self.fault = ""
        self.pull_after: int | None = None
        """Bytes after which it is pulled out by itself."""
        self.answers = self.in_turn = True
        self.taken = 0
        self.node = ""
        self._master = self._slave = -1
        self._worker = threading.current_thread()
        self._style: dict[str, int] = {}
        self._stored = b""
        self._line = ""

    def plug(self) -> str:
        """Plug it in and return its node."""
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self._style, self._line, self._stored = {}, "", b""
        self.node = os.ttyname(self._slave)
        self._worker = threading.Thread(target=self._work, args=[self._master, self._slave], daemon=True)
        self._worker.start()
        return self.node

    @property
    def gone(self) -> bool:
        """Whether it is pulled out."""
        return self._master < 0

    def pull(self) -> None:
        """Pull it out: what it had not worked through is lost."""
        master, self._master = self._master, -1
        if master < 0:
            return
        if self._worker is not threading.current_thread():
            self._worker.join()  # or it would read from whatever has this descriptor's number next
        os.close(self._slave)
        os.close(master)

    def _bytes(self, master: int) -> Iterator[int]:
        """Give the bytes in turn; what is asked in real time (DLE EOT) is answered as it comes, also without paper."""
        waiting: deque[int] = deque()
        while self._master == master:
            if waiting and not self.fault and bytes(list(waiting)[-2:]) != b"\x10\x04" and waiting[-1] != 0x10:
                yield waiting.popleft()
                continue
            if self.pull_after is not None and self.taken >= self.pull_after:
                self.pull_after = None
                self.pull()
                return
            try:
                raw = os.read(master, 1) if select.select([master], [], [], 0.02)[0] else b""
            except (OSError, ValueError):
                return
            if raw:
                self.taken += 1
                waiting.append(raw[0])
                if bytes(list(waiting)[-3:-1]) == b"\x10\x04":
                    asked = waiting.pop()
                    waiting.pop()
                    waiting.pop()
                    self._real_time(master, asked)

    def _work(self, master: int, _slave: int) -> None:
        stream = self._bytes(master)
        for byte in stream:
            try:
                if byte in (0x1B, 0x1D):
                    self._command(master, bytes([byte, next(stream)]), stream)
                elif byte == 0x0A:
                    self._feed()
                else:
                    self._line += bytes([byte]).decode(_PAGES.get(self._style.get("page", 0), "cp437"), "replace")
            except StopIteration:
                return

    def _command(self, master: int, name: bytes, stream: Iterator[int]) -> None:
        if name == b"\x1d(":
            kind, low, high = next(stream), next(stream), next(stream)
            raw = bytes(islice(stream, low + 256 * high))
            if len(raw) == low + 256 * high:
                self._code(kind, raw)
            return
        if name == b"\x1dV":
            if next(stream) >= 65:
                next(stream)
            self._feed(only_full=True)
            self.paper.printed.append(("cut",))
            return
        argument = next(stream) if _FIXED[name] else 0
        self._set(master, name, argument)

    def _set(self, master: int, name: bytes, argument: int) -> None:
        keys = {b"\x1ba": "align", b"\x1bE": "bold", b"\x1bt": "page", b"\x1d!": "size"}
        if name == b"\x1b@":
            self._style, self._line = {}, ""
        elif name in keys:
            self._style[keys[name]] = argument
        elif name == b"\x1b!":
            self._style["size"] = self._style["bold"] = 0
        elif name == b"\x1dr" and self.answers and self.in_turn:
            self._answer(master, 0)

    def _real_time(self, master: int, asked: int) -> None:
        offline = {"cover": 0x04, "paper": 0x20}.get(self.fault, 0)
        if self.answers:
            self._answer(master, 0x12 | {2: offline, 4: 0x60 if self.fault == "paper" else 0}.get(asked, 0))

    def _answer(self, master: int, byte: int) -> None:
        if self._master == master:
            os.write(master, bytes([byte]))

    def _feed(self, *, only_full: bool = False) -> None:
        if self._line or not only_full:
            size = self._style.get("size", 0)
            self.paper.printed.append(
                ("line", self._line, size & 7, bool(self._style.get("bold")), self._style.get("align", 0))
            )
        self._line = ""

    def _code(self, kind: int, raw: bytes) -> None:
        if kind != 0x6B or raw[:1] != b"1":  # GS ( k, cn = 49: QR code
            return
        if raw[1] == 0x50:
            self._stored = raw[3:]
        elif raw[1] == 0x43:
            self._style["module"] = raw[2]
        elif raw[1] == 0x51:
            size = self._style.get("module", 3)
            self.paper.printed.append(("code", self._stored.decode("utf-8", "replace"), size))


def _draw(sheet: Image.Image, printed: list[tuple[object, ...]], cell: int) -> int:
    pen, y = ImageDraw.Draw(sheet), 20
    for what in printed:
        if what[0] == "cut":
            pen.line([(0, y + 60), (sheet.width, y + 60)], fill=128, width=2)
            y += 90
        elif what[0] == "code":
            code = segno.make(str(what[1]), error="m", micro=False)
            rows = list(code.matrix_iter(scale=int(str(what[2])), border=2))
            left = (sheet.width - len(rows)) // 2
            for row, line in enumerate(rows):
                for column, dark in enumerate(line):
                    if dark:
                        sheet.putpixel((left + column, y + row), 0)
            y += len(rows)
        else:
            y = _text(pen, sheet.width, cell, y, what)
    return y


def _text(pen: ImageDraw.ImageDraw, width: int, cell: int, y: int, what: tuple[object, ...]) -> int:
    text, scale, bold, align = str(what[1]), int(str(what[2])) + 1, bool(what[3]), int(str(what[4]))
    font = ImageFont.truetype(_FONT, round(cell * scale / 0.602))
    long = len(text) * cell * scale
    left = {0: 0, 1: (width - long) // 2, 2: width - long}[align]
    pen.text((left, y), text, font=font, fill=0, stroke_width=1 if bold else 0)
    return y + _DEFAULT_FEED * scale
