# SPDX-License-Identifier: EUPL-1.2
"""A small netlink socket: requests, dumps, batches and events, with the kernel's answer as an exception.

It alone speaks netlink(7) framing; what a message means belongs to its callers. See docs/decisions/0002.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROUTE, NETFILTER = 0, 12  # NETLINK_ROUTE, NETLINK_NETFILTER of <linux/netlink.h>

REQUEST, ACK, DUMP = 0x1, 0x4, 0x300  # NLM_F_*
REPLACE, EXCLUSIVE, CREATE = 0x100, 0x200, 0x400
NESTED = 0x8000  # NLA_F_NESTED
_TYPE_MASK = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER
_ERROR, _DONE, _FIRST_MESSAGE = 2, 3, 0x10  # NLMSG_ERROR, NLMSG_DONE, NLMSG_MIN_TYPE
_INTERRUPTED = 0x10  # NLM_F_DUMP_INTR: the table changed under a dump
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11  # NFNL_MSG_BATCH_*
_SOL_NETLINK, _BROADCAST_ERROR = 270, 4

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port (struct nlmsghdr)
_ATTRIBUTE = struct.Struct("=HH")  # length, type (struct nlattr)
_RECEIVE = 1 << 18
_DUMP_TRIES = 5


class NetlinkError(OSError):
    """The kernel's refusal of a message; `errno` tells why."""


class Message(NamedTuple):
    """One netlink message: its type, its extra flags (NLM_F_*) and its body (family header and attributes)."""

    kind: int
    flags: int
    body: bytes


def attribute(kind: int, value: bytes) -> bytes:
    """Return one attribute, padded to 4 bytes (struct nlattr)."""
    length = 4 + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)


def nested(kind: int, *parts: bytes) -> bytes:
    """Return an attribute that holds attributes."""
    return attribute(kind | NESTED, b"".join(parts))


def attributes(data: bytes, offset: int = 0) -> dict[int, bytes]:
    """Return the attributes in `data` from `offset` by type; the last of a type wins. Malformed tails are left out."""
    return dict(each(data, offset))


def each(data: bytes, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield (type, value) of each attribute in `data` from `offset`, in order."""
    end = len(data)
    while offset + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < 4 or offset + length > end:
            return
        yield kind & _TYPE_MASK, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield (type, flags, sequence, body) of each message in one datagram."""
    offset, end = 0, len(data)
    while offset + _HEADER.size <= end:
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size or offset + length > end:
            return
        yield kind, flags, sequence, data[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3


class Socket:
    """A netlink socket of the network namespace in which it was made."""

    def __init__(self, protocol: int, *, timeout: float = 5.0) -> None:
        """Open it; `timeout` seconds bound each wait, so that no caller hangs on a lost answer."""
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.bind((0, 0))
        self._socket.settimeout(timeout)
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def fileno(self) -> int:
        """Return its descriptor, for a selector."""
        return self._socket.fileno()

    def subscribe(self, group: int, *, buffer: int, reliable: bool = False) -> None:
        """Join a multicast group with `buffer` bytes of room, without blocking reads from then on.

        `reliable`: the kernel is told when we could not take an event, and some subsystems (conntrack) try again.
        """
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, 33, buffer)  # SO_RCVBUFFORCE, needs CAP_NET_ADMIN
        if reliable:
            self._socket.setsockopt(_SOL_NETLINK, _BROADCAST_ERROR, 1)
        self._socket.setsockopt(_SOL_NETLINK, 1, group)  # NETLINK_ADD_MEMBERSHIP
        self._socket.settimeout(0)

    def events(self) -> Iterator[tuple[int, bytes]]:
        """Yield (type, body) of what waits now. Raises NetlinkError(ENOBUFS) when events were lost."""
        while True:
            try:
                data = self._socket.recv(_RECEIVE)
            except BlockingIOError:
                return
            except OSError as error:
                raise NetlinkError(error.errno, os.strerror(error.errno or 0)) from error
            for kind, _, _, body in messages(data):
                if kind >= _FIRST_MESSAGE:
                    yield kind, body

    def request(self, kind: int, body: bytes, flags: int = 0) -> None:
        """Send one message and wait for the kernel's acknowledgement. Raises NetlinkError."""
        sequence = self._send([Message(kind, flags | ACK, body)])
        self._acknowledged(sequence, sequence)

    def attempt(self, changes: Sequence[Message]) -> int:
        """Send messages that stand each for itself; return how many the kernel refused (a thing may just be gone)."""
        first = self._send([message._replace(flags=message.flags | ACK) for message in changes])
        left, refused = len(changes), 0
        while left:
            for kind, _, number, body in messages(self._receive()):
                if kind == _ERROR and first <= number < first + len(changes):
                    left -= 1
                    refused += body[:4] != b"\0\0\0\0"
        return refused

    def get(self, kind: int, body: bytes) -> bytes:
        """Send one message and return the body of its only answer. Raises NetlinkError."""
        sequence = self._send([Message(kind, 0, body)])
        while True:
            for answer, _, number, content in messages(self._receive()):
                if number != sequence:
                    continue  # a late answer to somebody who gave up waiting
                if answer == _ERROR:
                    _raise_error(content)
                return content

    def dump(self, kind: int, body: bytes) -> list[bytes]:
        """Return the bodies of a whole table. A dump that the kernel calls inconsistent is taken again."""
        for _ in range(_DUMP_TRIES):
            found, consistent = self._dump_once(kind, body)
            if consistent:
                return found
        return found

    def batch(self, subsystem: int, changes: Sequence[Message], generation: int | None = None) -> None:
        """Apply `changes` of a netfilter subsystem in one transaction: all or none. Raises NetlinkError.

        With `generation` the kernel refuses (ERESTART) when anybody else changed its rules since.
        """
        frame = struct.pack("!BBH", 0, 0, subsystem)
        guard = b"" if generation is None else attribute(1, struct.pack("!I", generation))  # NFNL_BATCH_GENID
        whole = [Message(_BATCH_BEGIN, 0, frame + guard), *changes, Message(_BATCH_END, 0, frame)]
        whole[-2] = whole[-2]._replace(flags=whole[-2].flags | ACK)
        first = self._send(whole)
        self._acknowledged(first, first + len(changes))

    def _send(self, queue: Sequence[Message]) -> int:
        first = self._sequence + 1
        parts = []
        for kind, flags, body in queue:
            self._sequence = (self._sequence + 1) & 0x7FFFFFFF
            parts.append(_HEADER.pack(_HEADER.size + len(body), kind, flags | REQUEST, self._sequence, 0))
            parts.append(body + bytes(-len(body) % 4))
        self._socket.send(b"".join(parts))
        return first

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(_RECEIVE)
        except TimeoutError as error:
            raise NetlinkError(errno.ETIMEDOUT, "the kernel did not answer over netlink") from error

    def _acknowledged(self, first: int, last: int) -> None:
        """Read until the message `last` is answered; raise the first refusal among `first`..`last`."""
        refusal = b""
        while True:
            for kind, _, number, body in messages(self._receive()):
                if kind != _ERROR or not first <= number <= last:
                    continue
                refused = body[:4] != b"\0\0\0\0"
                refusal = refusal or (body if refused else b"")
                # A refusal of the first message of a batch is one of the whole: nothing else will come.
                if number == last or (refused and number == first):
                    if refusal:
                        _raise_error(refusal)
                    return

    def _dump_once(self, kind: int, body: bytes) -> tuple[list[bytes], bool]:
        sequence = self._send([Message(kind, DUMP, body)])
        found: list[bytes] = []
        consistent = True
        while True:
            for answer, flags, number, content in messages(self._receive()):
                if number != sequence:
                    continue
                consistent = consistent and not flags & _INTERRUPTED
                if answer == _DONE:
                    return found, consistent
                if answer == _ERROR:
                    _raise_error(content)
                found.append(content)


def _raise_error(body: bytes) -> None:
    code = -int(struct.unpack_from("=i", body)[0])
    if code:
        raise NetlinkError(code, os.strerror(code))
