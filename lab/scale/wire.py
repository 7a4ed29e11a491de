# SPDX-License-Identifier: EUPL-1.2
"""As much of MQTT 3.1.1 as a device needs, for asyncio: thousands of connections in one process, which paho can't do.

Only a client; QoS 0 and 1; no session is kept. Source: OASIS MQTT 3.1.1, sections 2 and 3.
"""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CONNACK, PUBLISH, PUBACK, SUBACK, PINGRESP = 2, 3, 4, 9, 13
_LONGEST = 1 << 21


def _text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(data)) + data


def _packet(head: int, body: bytes) -> bytes:
    length, digits = len(body), bytearray()
    while True:
        length, digit = divmod(length, 128)
        digits.append(digit | (128 if length else 0))
        if not length:
            return bytes([head]) + bytes(digits) + body


class Client(asyncio.Protocol):
    """One connection. `received` is called with topic and payload, `gone` once at its end; `ready` when subscribed."""

    def __init__(
        self, name: str, will: tuple[str, bytes], topics: Iterable[str], *, keepalive: int,
        received: Callable[[str, bytes], None], ready: Callable[[], None], gone: Callable[[], None],
    ) -> None:  # fmt: skip
        self._name, self._will, self._topics, self._keepalive = name, will, list(topics), keepalive
        self._received, self._ready, self._gone = received, ready, gone
        self._buffer = b""
        self._number = 0
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.unconfirmed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Introduce ourselves, with a last will (retained, QoS 1)."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        topic, payload = self._will
        head = _text("MQTT") + bytes([4, 0b0010_1110]) + struct.pack(">H", self._keepalive)
        transport.write(_packet(0x10, head + _text(self._name) + _text(topic) + _text(payload)))

    def connection_lost(self, _error: Exception | None) -> None:
        """Tell the device, once."""
        if self._timer:
            self._timer.cancel()
        self._transport = None
        self._gone()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Send with QoS 1; a lost one is the device's to send again."""
        if self._transport is not None:
            self._number = self._number % 65535 + 1
            self.unconfirmed += 1
            head = _text(topic) + struct.pack(">H", self._number)
            self._transport.write(_packet(0x33 if retain else 0x32, head + payload))

    def close(self, *, politely: bool = True) -> None:
        """End the connection; impolitely, the broker publishes the will."""
        if self._transport is not None:
            if politely:
                self._transport.write(b"\xe0\x00")
                self._transport.close()
            else:
                self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take packets apart."""
        buffer = self._buffer + data if self._buffer else data
        start = 0
        while (end := _end(buffer, start)) is not None:
            head, body = end
            if body[1] > len(buffer):
                break
            self._take(head, buffer[body[0] : body[1]])
            start = body[1]
        self._buffer = buffer[start:]

    def _take(self, head: int, body: bytes) -> None:
        kind = head >> 4
        if kind == PUBLISH:
            length = struct.unpack_from(">H", body)[0]
            topic, rest = body[2 : 2 + length].decode(), 2 + length
            if head & 0b0110 and self._transport is not None:
                self._transport.write(b"\x40\x02" + body[rest : rest + 2])
                rest += 2
            self._received(topic, body[rest:])
        elif kind == PUBACK:
            self.unconfirmed -= 1
        elif kind == CONNACK:
            self._accepted(body)
        elif kind == SUBACK:
            self._ready()

    def _accepted(self, body: bytes) -> None:
        if self._transport is None or body[1]:
            self.close(politely=False)
            return
        # QoS 0 is enough: acknowledgements are cumulative and replies come again. NATS would keep a replicated consumer
        # for each subscription of QoS 1, which is what breaks first there.
        topics = b"".join(_text(topic) + b"\x00" for topic in self._topics)
        self._transport.write(_packet(0x82, struct.pack(">H", 1) + topics))
        self._ping()

    def _ping(self) -> None:
        if self._transport is not None:
            self._transport.write(b"\xc0\x00")
            self._timer = asyncio.get_running_loop().call_later(self._keepalive * 0.7, self._ping)


def _end(buffer: bytes, start: int) -> tuple[int, tuple[int, int]] | None:
    """Return a packet's first byte and where its body begins and ends; None where more bytes must come first."""
    length = shift = 0
    for place in range(start + 1, min(start + 5, len(buffer))):
        length |= (buffer[place] & 127) << shift
        shift += 7
        if not buffer[place] & 128:
            if length > _LONGEST:
                raise ValueError("a packet beyond all measure")
            return buffer[start], (place + 1, place + 1 + length)
    return None
