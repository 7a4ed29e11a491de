# SPDX-License-Identifier: EUPL-1.2
"""A stand-in for hostapd where there is no radio: it speaks its control protocol on a real datagram socket."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Hostapd(threading.Thread):
    """Answers ATTACH, STA-FIRST and STA-NEXT as hostapd does, and tells events to whoever attached."""

    def __init__(self, path: Path, stations: Iterable[str] = ()) -> None:
        """Listen at `path`; `stations` are the MACs that are associated already."""
        super().__init__(daemon=True)
        self.stations = list(stations)
        self.attached: list[str | bytes] = []
        self.asked: list[str] = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.start()

    def run(self) -> None:
        """Answer until ended."""
        while True:
            try:
                words, sender = self.socket.recvfrom(4096)
            except OSError:
                return
            if not sender:
                return
            self.asked.append(words.decode())
            self.socket.sendto(self._answer(words.decode(), sender).encode(), sender)

    def _answer(self, words: str, sender: str | bytes) -> str:
        name, _, mac = words.partition(" ")
        if name == "ATTACH":
            self.attached.append(sender)
            return "OK\n"
        following = self.stations if name == "STA-FIRST" else self.stations[self.stations.index(mac) + 1 :]
        return f"{following[0]}\nflags=[AUTH][ASSOC]\naid=1\nconnected_time=3\n" if following else "FAIL\n"

    def tell(self, text: str) -> None:
        """Send an event to whoever attached."""
        for sender in self.attached:
            self.socket.sendto(text.encode("utf-8", "surrogateescape"), sender)

    def end(self) -> None:
        """Stop answering; the socket's file stays, as after a kill."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.join(5)
        self.socket.close()
