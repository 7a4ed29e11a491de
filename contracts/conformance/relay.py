# SPDX-License-Identifier: EUPL-1.2
"""A TCP relay between a device and its broker that can cut every connection: the only way to see a will (R-501)."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress


class Relay:
    """Listens on `port` of loopback and passes bytes on. `came` has the moment (monotonic) of each new connection."""

    def __init__(self, port: int, target: tuple[str, int]) -> None:
        self.came: list[float] = []
        self._target = target
        self._open: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", port))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._accept, name="relay", daemon=True).start()

    def cut(self) -> None:
        """Reset every connection, as a cable does: neither end says goodbye, and the device may come back at once."""
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open = []

    def close(self) -> None:
        """Stop for good."""
        self._server.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                self.came.append(time.monotonic())
                with suppress(OSError):
                    far = socket.create_connection(self._target, 5)
                    far.settimeout(None)
                    self._open += [near, far]
                    for source, sink in ((near, far), (far, near)):
                        threading.Thread(target=_pass, args=(source, sink), daemon=True).start()


def _pass(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for one in (source, sink):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
