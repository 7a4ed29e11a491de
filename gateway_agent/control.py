# SPDX-License-Identifier: EUPL-1.2
"""Listens on the agent's unix socket: one JSON object a line, from peers whose user the kernel vouches for.

A request that is malformed is refused with a reason and logged; nothing that a peer sends can stop the agent.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import struct
from typing import TYPE_CHECKING, Any

from edge_core import logs
from edge_core.control import LONGEST
from edge_core.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_log = logs.get(__name__)
_CREDENTIALS = struct.Struct("=iII")  # struct ucred: pid, uid, gid (SO_PEERCRED, unix(7))
_MOST_PEERS = 64
_ANSWER_SECONDS = 1.0


def refusal(line: bytes, known: Mapping[str, object]) -> tuple[str, str]:
    """Return (operation, "") for a well-formed request, or ("", reason); `known` holds the operations."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return "", "not JSON"
    if not isinstance(message, dict) or set(message) != {"op"}:
        return "", 'expected an object with "op" and nothing else'
    if not isinstance(message["op"], str) or message["op"] not in known:
        return "", f"unknown op; known: {', '.join(sorted(known))}"
    return message["op"], ""


class Control:
    """The socket and its peers, driven by the agent's selector."""

    def __init__(
        self, path: Path, handlers: Mapping[str, Callable[[], dict[str, Any]]], selector: selectors.BaseSelector
    ) -> None:
        """Listen at `path`; a socket left by a killed agent is replaced. Raises NetworkError."""
        self._handlers = handlers
        self._selector = selector
        self._peers: dict[socket.socket, bytearray] = {}
        self._path = path
        self._allowed = _allowed(path.parent)
        self.refused = 0
        """Requests and peers that were refused."""
        self._listener = _listen(path)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """Stop listening and remove the socket."""
        for peer in list(self._peers):
            self._drop(peer)
        self._selector.unregister(self._listener)
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        try:
            peer, _ = self._listener.accept()
        except OSError:
            return
        uid, gid = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))[1:]
        if uid not in self._allowed[0] and gid not in self._allowed[1]:
            self.refused += 1
            _log.warning("peer_refused", uid=uid)
            peer.close()
            return
        if len(self._peers) >= _MOST_PEERS:
            self._drop(next(iter(self._peers)))
        peer.settimeout(_ANSWER_SECONDS)
        self._peers[peer] = bytearray()
        self._selector.register(peer, selectors.EVENT_READ, lambda: self._read(peer))

    def _read(self, peer: socket.socket) -> None:
        try:
            data = peer.recv(LONGEST)
        except OSError:
            data = b""
        buffer = self._peers.get(peer)
        if buffer is None:  # let go of a moment ago, by another event of the same turn
            return
        buffer += data
        while b"\n" in buffer:
            line, _, rest = bytes(buffer).partition(b"\n")
            buffer[:] = rest
            if not self._answer(peer, line):
                data = b""
                break
        if len(buffer) > LONGEST:
            self._answer(peer, b"")
            data = b""
        if not data:
            self._drop(peer)

    def _answer(self, peer: socket.socket, line: bytes) -> bool:
        """Answer one request; False where the peer is to be let go."""
        operation, reason = refusal(line, self._handlers) if len(line) <= LONGEST else ("", "too long")
        if reason:
            self.refused += 1
            _log.warning("request_refused", reason=reason)
        answer = {"ok": False, "reason": reason} if reason else self._handlers[operation]()
        try:
            peer.sendall(json.dumps(answer).encode() + b"\n")
        except OSError:
            return False
        return not reason

    def _drop(self, peer: socket.socket) -> None:
        self._peers.pop(peer, None)
        self._selector.unregister(peer)
        peer.close()


def _allowed(folder: Path) -> tuple[set[int], set[int]]:
    """Return the users and groups that may speak: root, ourselves, and whoever owns the folder of the socket."""
    status = folder.stat()
    return {0, os.geteuid(), status.st_uid}, {status.st_gid, os.getegid()}


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        path.chmod(0o660)
        os.chown(path, -1, path.parent.stat().st_gid)
    except OSError as error:
        listener.close()
        raise NetworkError(
            f"{path}: the agent can't listen there ({error.strerror}).",
            remedy="A path of at most 107 bytes in a folder that this user may write: change [device] state_dir.",
        ) from error
    listener.listen(128)
    return listener
