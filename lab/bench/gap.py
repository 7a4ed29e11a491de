# SPDX-License-Identifier: EUPL-1.2
"""A guest's steady traffic, and the longest silence in it: `python -m lab.bench.gap guests|internet …`."""

import contextlib
import select
import socket
import sys
import threading
import time

from lab import talk

_EVERY = 0.002
_SIZE = 64
_PATIENCE = 10.0
_PORT = 7777


class Stream:
    """One guest asks each two milliseconds; the Internet's answers are what tells whether packets flow."""

    def __init__(self, device: str, target: str) -> None:
        """Begin to send from the interface `device`."""
        self._socket = _from(device, target)
        self._longest, self._last, self.answers = 0.0, time.monotonic(), 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def begin(self) -> talk.Answer:
        """Forget what was, and count from now."""
        self._longest, self._last = 0.0, time.monotonic()
        return {}

    def longest(self) -> talk.Answer:
        """Return the milliseconds of the longest silence since `begin`, the one that lasts still too."""
        return {"ms": max(self._longest, time.monotonic() - self._last) * 1000, "answers": self.answers}

    def _run(self) -> None:
        due = time.monotonic()
        while not self._over.is_set():
            now = time.monotonic()
            if now >= due:
                due = now + _EVERY
                with contextlib.suppress(OSError):  # a reset, or no way for the moment
                    self._socket.send(bytes(_SIZE))
            if select.select([self._socket], [], [], max(0.0, due - time.monotonic()))[0]:
                with contextlib.suppress(OSError):
                    self._socket.recv(2048)
                    arrived = time.monotonic()
                    self._longest, self._last = max(self._longest, arrived - self._last), arrived
                    self.answers += 1


def census(target: str, guests: int) -> talk.Answer:
    """Return how many of the guests g0 to g`guests` get an answer within ten seconds."""
    waiting = {_from(f"g{number}", target): number for number in range(guests)}
    end, online = time.monotonic() + _PATIENCE, 0
    while waiting and time.monotonic() < end:
        for each in waiting:
            with contextlib.suppress(OSError):
                each.send(bytes(_SIZE))
        ready, _, _ = select.select(list(waiting), [], [], 0.2)
        for each in ready:
            with contextlib.suppress(OSError):
                each.recv(2048)
                online += 1
                waiting.pop(each)
                each.close()
    for each in waiting:
        each.close()
    return {"online": online}


def _from(device: str, target: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")
    made.settimeout(0)
    made.connect((target, _PORT))
    return made


def answer_all(address: str) -> None:
    """Send back what comes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, _PORT))
        while True:
            data, sender = server.recvfrom(2048)
            server.sendto(data, sender)


def main() -> None:
    """`internet ADDRESS` answers; `guests ADDRESS DEVICE STRANGER` serves commands until stdin closes."""
    role, target, *devices = sys.argv[1:]
    if role == "internet":
        answer_all(target)
    stream, stranger = (Stream(device, target) for device in devices)
    talk.serve(
        {
            "begin": stream.begin,
            "longest": stream.longest,
            "stranger": lambda: {"answers": stranger.answers},
            "census": lambda guests: census(target, guests),
        }
    )


if __name__ == "__main__":
    main()
