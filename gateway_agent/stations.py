# SPDX-License-Identifier: EUPL-1.2
"""Which devices are associated with our own access point, as hostapd tells on its control sockets (wpa_ctrl).

Each of its networks has a socket. `ATTACH` makes hostapd tell who comes and goes; `STA-FIRST` and `STA-NEXT` walk over
those who are there. Whatever it says is checked; a hostapd that is away or silent is asked again.
"""

from __future__ import annotations

import re
import selectors
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from edge_core import logs

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_log = logs.get(__name__)
_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_EVENT = re.compile(r"<\d>AP-STA-(CONNECTED|DISCONNECTED) ([0-9a-f]{2}(?::[0-9a-f]{2}){5})\b.*", re.DOTALL)
_LONGEST = 4096
_MOST = 4096
"""Devices of one network: more than any radio takes."""
_WALK_SECONDS = 30.0
_AGAIN_SECONDS = 3.0
_AT_ONCE = 256


class _Network:
    """One control socket of hostapd, and who is associated there."""

    def __init__(self, path: Path, selector: selectors.BaseSelector) -> None:
        self.path = path
        self.here: set[str] = set()
        self.left: set[str] = set()
        self._walked: set[str] = set()
        self._selector = selector
        self._socket: socket.socket | None = None
        self._due = 0.0
        self._answer_due: float | None = None

    def tend(self, moment: float) -> None:
        """Connect, and walk over who is there from time to time; what is not answered is begun anew."""
        if self._answer_due is not None and moment >= self._answer_due:
            self.close()
        if moment < self._due or self._answer_due is not None:
            return
        self._due = moment + _AGAIN_SECONDS
        try:
            if self._socket is None:
                self._open()
                self._send("ATTACH")
            self._walked = set()
            self._send("STA-FIRST")
        except OSError:  # hostapd is not there (yet)
            self.close()
            self._due = moment + _AGAIN_SECONDS
            return
        self._due, self._answer_due = moment + _WALK_SECONDS, moment + _AGAIN_SECONDS

    def close(self) -> None:
        """Let go of it; who was there is not known any more."""
        if self._socket is not None:
            self._selector.unregister(self._socket)
            self._socket.close()
        self._socket = self._answer_due = None
        self._due = 0.0
        self.left |= self.here
        self.here = set()

    def _open(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self._selector.register(self._socket, selectors.EVENT_READ, self._follow)
        self._socket.bind("")  # an address of the kernel's choice, without a file (unix(7), autobind)
        self._socket.connect(str(self.path))

    def _send(self, words: str) -> None:
        if self._socket is not None:
            self._socket.send(words.encode("ascii"))

    def _follow(self) -> None:
        for _ in range(_AT_ONCE):
            if self._socket is None:
                return
            try:
                said = self._socket.recv(_LONGEST).decode("ascii", "replace")
            except BlockingIOError:
                return
            except OSError:
                self.close()
                return
            self._take(said)

    def _take(self, said: str) -> None:
        if event := _EVENT.fullmatch(said.rstrip("\n")):
            self._note(event[1] == "CONNECTED", event[2])
        elif said.strip() in ("OK", "PONG") or said.startswith("<"):
            return  # ATTACH is done; or an event about something else
        elif self._answer_due is not None:
            self._walk(said.partition("\n")[0].strip())

    def _note(self, came: bool, mac: str) -> None:
        if came and len(self.here) < _MOST:
            self.here.add(mac)
            self.left.discard(mac)
        elif not came and mac in self.here:
            self.here.discard(mac)
            self.left.add(mac)
        if came:
            self._walked.add(mac)
        else:
            self._walked.discard(mac)

    def _walk(self, mac: str) -> None:
        """Take one answer of the walk: a device, of which the next is asked; anything else is the end."""
        if _MAC.fullmatch(mac) and mac not in self._walked and len(self._walked) < _MOST:
            self._walked.add(mac)
            with suppress(OSError):
                self._send(f"STA-NEXT {mac}")
            return
        self._answer_due = None
        self.left |= self.here - self._walked
        self.here = set(self._walked)


class Stations:
    """All networks of our own access point."""

    def __init__(self, folder: Path, names: Iterable[str], selector: selectors.BaseSelector) -> None:
        """`folder` is hostapd's ctrl_interface, `names` are its interfaces. Nothing is opened yet."""
        self._networks = {name: _Network(folder / name, selector) for name in names}

    def tend(self, moment: float) -> None:
        """Do what is due at `moment` of the monotonic clock."""
        for network in self._networks.values():
            network.tend(moment)

    def close(self) -> None:
        """Close the sockets."""
        for network in self._networks.values():
            network.close()

    def present(self) -> set[str]:
        """Return the MACs that are associated now."""
        return {mac for network in self._networks.values() for mac in network.here}

    def take_left(self) -> set[str]:
        """Return the MACs that have left since the last call and are associated with no network of ours any more."""
        gone = {mac for network in self._networks.values() for mac in network.left} - self.present()
        for network in self._networks.values():
            network.left.clear()
        return gone

    def counts(self) -> dict[str, int]:
        """Return how many devices each network has, by its interface."""
        return {name: len(network.here) for name, network in self._networks.items()}
