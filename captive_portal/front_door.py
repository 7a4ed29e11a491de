# SPDX-License-Identifier: EUPL-1.2
"""The portal's front: holds guests' connections, ends TLS, turns away who asks for other sites, and bounds each guest.

One thread and one event loop: a connection that says nothing costs a few kilobytes and nobody's time. Only a whole,
sound request for the portal itself is handed on to it. It runs under `parvis run`; on devices nginx has this place.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakValueDictionary

from captive_portal import client, doorway, front_relay, hosts, turned_away
from edge_core import clock, logs

if TYPE_CHECKING:
    import ssl

    from captive_portal.seal import Seal
    from edge_core.settings import Settings

_log = logs.get(__name__)
_HEAD_SECONDS, _BODY_SECONDS, _ANSWER_SECONDS, _FAREWELL_SECONDS = 10.0, 10.0, 60.0, 2.0
MOST_OF_A_GUEST = 48
"""Connections of one device at a time; its oldest silent one makes room."""
MOST = 4096
"""Connections of all; the oldest silent one makes room."""
_AT_ONCE_OF_A_GUEST, _AT_ONCE = 6, 14
"""Requests that the portal works on, of one device and of all: fewer than it has threads."""
_DISCARDED = 256 * 1024
_SWEEP_SECONDS = 1.0
_REDIRECT = (
    "HTTP/1.1 302 Found\r\nLocation: {location}\r\nCache-Control: no-store\r\nConnection: close\r\n"
    "Content-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\n\r\n"
)


class House:
    """What all visitors share: the settings, who is here, and what was counted."""

    def __init__(self, settings: Settings, seal: Seal) -> None:
        self.settings = settings
        self.seal = seal
        self.counted: Counter[str] = Counter()
        """What became of connections, by a fixed set of names."""
        self.slots = asyncio.Semaphore(_AT_ONCE)
        self.secure: ssl.SSLContext | None = None
        self._visitors: dict[Visitor, None] = {}
        self._of: dict[str, dict[Visitor, None]] = {}
        self._slots_of: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def status(self) -> dict[str, Any]:
        """Return what `parvis status` shows."""
        return {"ok": True, "connections": len(self._visitors), "guests": len(self._of), **self.counted}

    def slots_of(self, device: str) -> asyncio.Semaphore:
        """Return the slots of one device, there as long as somebody holds one or waits."""
        return self._slots_of.setdefault(device, asyncio.Semaphore(_AT_ONCE_OF_A_GUEST))

    def admit(self, visitor: Visitor) -> None:
        """Take in a visitor; where there are too many, the oldest that is still silent goes, or else the new one."""
        self.counted["connections_made"] += 1
        same = self._of.setdefault(visitor.device, {})
        limited = self.settings.enforcement.mode != "none"  # without it, one address may stand for a crowd
        if limited and len(same) >= MOST_OF_A_GUEST:
            self._make_room(same, visitor, "refused_guest_limit")
        elif len(self._visitors) >= MOST:
            self._make_room(self._visitors, visitor, "refused_overall_limit")
        # Asked again: whoever made room may have been the last of this device, and taken its place along.
        self._visitors[visitor] = self._of.setdefault(visitor.device, {})[visitor] = None

    def release(self, visitor: Visitor) -> None:
        """Forget a visitor; repeating it changes nothing."""
        self._visitors.pop(visitor, None)
        same = self._of.get(visitor.device)
        if same is not None:
            same.pop(visitor, None)
            if not same:
                del self._of[visitor.device]

    def _make_room(self, among: dict[Visitor, None], newcomer: Visitor, name: str) -> None:
        self.counted[name] += 1
        oldest = next((visitor for visitor in among if visitor.silent), newcomer)
        oldest.abort()

    def sweep(self, moment: float) -> None:
        """End the connections whose time is over."""
        for visitor in [visitor for visitor in self._visitors if visitor.deadline <= moment]:
            if visitor.silent:
                self.counted["too_slow"] += 1
            visitor.abort()

    async def sweeping(self) -> None:
        """Sweep for ever."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self.sweep(clock.monotonic())


class Visitor(asyncio.Protocol):
    """One connection."""

    def __init__(self, house: House, *, secure: bool) -> None:
        self._house = house
        self._secure = secure
        self._data = bytearray()
        self._request: doorway.Request | None = None
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._discarded = 0
        self._finished = self._asked = False
        self.silent = True
        """Nothing whole was said yet."""
        self.device = ""
        self.address = ""
        self.deadline = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take in the connection; TLS begins only after it was counted."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername") or ("",)
        self.address = str(peer[0])
        self.device = client.identify(self.address, self._house.settings).key
        self.deadline = clock.monotonic() + _HEAD_SECONDS
        self._house.admit(self)
        if self._secure and self._house.secure:
            self._transport.pause_reading()
            self._task = asyncio.get_running_loop().create_task(self._shake_hands(self._house.secure))

    async def _shake_hands(self, context: ssl.SSLContext) -> None:
        plain, self._task = self._transport, None
        if plain is None or plain.is_closing():
            return
        try:
            loop = asyncio.get_running_loop()
            self._transport = await loop.start_tls(
                plain, self, context, server_side=True, ssl_handshake_timeout=_HEAD_SECONDS, ssl_shutdown_timeout=1.0
            )
        except (OSError, asyncio.CancelledError):  # TLS errors are OSErrors
            self._house.counted["no_handshake"] += 1
            plain.abort()
        if self._transport is None or self._transport.is_closing() or self._transport is plain:
            self._house.release(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  its reason changes nothing
        """Forget the connection."""
        self._writable.set()
        if self._task and not self._asked:
            self._task.cancel()
        self._house.release(self)

    def eof_received(self) -> bool:
        """Answer all the same: a guest may close its half after asking. Silence has nothing to be answered."""
        return not (self.silent or self._finished or self._secure)

    def pause_writing(self) -> None:
        """Wait: the guest reads slowly."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Go on."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Collect until the request can be judged; after that, the body, or nothing that matters."""
        if self._request is not None and not self._request.sound:
            self._discarded += len(data)
            if self._discarded > _DISCARDED:
                self.abort()
            return
        self._data += data
        if self._request is None:
            self._judge()
        elif len(self._data) > doorway.LONGEST_HEAD + doorway.LONGEST_BODY:
            self.abort()
        elif self._task is None and self._has_body():
            self._hand_on()

    def _judge(self) -> None:
        request = doorway.read(bytes(self._data))
        if request is None:
            return
        self.silent = False
        own = hosts.is_own(request.host, self._house.settings)
        self._request = request = request if own else request._replace(sound=False)
        if not request.sound:
            self._turn_away(request, own=own)
        elif self._has_body():
            self._hand_on()
        else:
            self.deadline = clock.monotonic() + _BODY_SECONDS
            if request.waits_for_go and self._transport:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _has_body(self) -> bool:
        """Tell whether the form is here; one that is too long is the portal's to refuse, by its length alone."""
        request = self._request
        if request is None:
            return False
        return request.length > doorway.LONGEST_BODY or len(self._data) - request.end >= request.length

    def _turn_away(self, request: doorway.Request, *, own: bool) -> None:
        self._house.counted["malformed" if own or request.host is None else "redirected"] += 1
        settings = self._house.settings
        wanted = "" if own else turned_away.first_asked(request.method, request.host, request.path, request.query)
        target = turned_away.location(settings, self._house.seal, self.device, wanted)
        page = turned_away.body(target).encode()
        head = _REDIRECT.format(location=target, length=len(page)).encode("latin-1", "replace")
        self.say(head if request.method == "HEAD" else head + page)
        self.finish()

    def _hand_on(self) -> None:
        request = self._request
        if request is None:
            return
        self.deadline = clock.monotonic() + _ANSWER_SECONDS
        self._house.counted["handed_on"] += 1
        body = bytes(self._data[request.end : request.end + request.length])
        extra = f"X-Parvis-Peer: {self.address}\r\nX-Forwarded-Proto: {'https' if self._secure else 'http'}\r\n"
        message = request.head + extra.encode() + b"Connection: close\r\n\r\n" + body
        self._task = asyncio.get_running_loop().create_task(self._relay(message))

    async def _relay(self, message: bytes) -> None:
        """Ask the portal, and hand its answer on, however slowly the guest reads.

        A question that was asked takes its slot until it is answered, though the guest be gone: the portal works on it.
        """
        house, answer = self._house, []
        async with house.slots_of(self.device), house.slots:
            self._asked = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ANSWER_SECONDS):
                    answer = await front_relay.ask(str(house.settings.portal_socket), message)
        if not answer:
            house.counted["portal_away"] += 1
        for chunk in answer or [front_relay.AWAY]:
            self.say(chunk)
            if not await self.drained():
                return
        self.finish()

    def say(self, data: bytes) -> None:
        """Send to the guest."""
        if self._transport and not self._transport.is_closing():
            self._transport.write(data)

    async def drained(self) -> bool:
        """Wait until the guest has read enough; False where it is gone."""
        await self._writable.wait()
        return self._transport is not None and not self._transport.is_closing()

    def finish(self) -> None:
        """End our half, and listen a moment longer: a reset would take the answer with it (RFC 9112, 9.6)."""
        self._finished, self.deadline = True, clock.monotonic() + _FAREWELL_SECONDS
        if self._transport is None:
            return
        if self._transport.can_write_eof():
            with contextlib.suppress(OSError):
                self._transport.write_eof()
        else:
            self._transport.close()

    def abort(self) -> None:
        """End it now."""
        if self._transport:
            self._transport.abort()
        self._house.release(self)
