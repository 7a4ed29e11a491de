# SPDX-License-Identifier: EUPL-1.2
"""The process that tells guests of the gateway: router advertisements, and the portal's address while it may be told.

It alone holds CAP_NET_RAW, and nothing else: it can't change a rule or an address. It watches the certificate, so that
what guests are told follows a renewal or an expiry without a restart.
"""

from __future__ import annotations

import random
import selectors
import signal
import socket
import struct
from typing import TYPE_CHECKING, Any

from edge_core import clock, logs, notify
from edge_core.errors import NetworkError
from edge_core.settings import require_gateway
from gateway_agent import announce, network, ra
from gateway_agent.control import Control
from gateway_agent.overheard import Overheard

if TYPE_CHECKING:
    from edge_core.certificate import Verdict
    from edge_core.settings import Settings

_log = logs.get(__name__)
_LOOK_SECONDS = 2.0
"""Between two looks at the certificate's file, which is read only where it has changed."""
_JUDGE_SECONDS = 60.0
_REOPEN_SECONDS = 2.0
_ALL_NODES, _ALL_ROUTERS = "ff02::1", "ff02::2"
_ICMP6_FILTER = 1
_RECEIVE_HOP_LIMIT, _HOP_LIMIT = 51, 52  # IPV6_RECVHOPLIMIT, IPV6_HOPLIMIT
_BUDGET = 64
"""Solicitations read at once: a flood of them must not keep us from the rest."""


class Advertiser:
    """Everything that the process holds open, and its loop."""

    def __init__(self, settings: Settings) -> None:
        """Open all of it. Raises NetworkError with the remedy where that is impossible."""
        require_gateway(settings)
        network.require(settings)
        settings.run_dir.mkdir(parents=True, exist_ok=True)
        self._settings = settings
        self._selector = selectors.DefaultSelector()
        self._control = Control(settings.advertiser_socket, {"status": self._status}, self._selector)
        self._chance = random.random
        self._schedule = ra.Schedule(self._chance)
        self._radio: socket.socket | None = None
        self._overheard: Overheard | None = None
        self._verdict: Verdict | None = None
        self._url = ""
        self._seen: object = None
        self._due = {"look": 0.0, "judge": 0.0, "open": 0.0}
        self._sent = self._failed = 0
        self._stopping = False
        self._pulse = notify.Pulse()

    def run(self) -> None:
        """Work until SIGTERM or SIGINT. Guests are told nothing at the end: a restart must not take their way."""
        self._listen_to_signals()
        self._tend(clock.monotonic())
        if self._radio is None and self._overheard is None:
            _log.warning("advertiser_waits", interface=self._settings.lan.interface)
        _log.info("advertiser_ready")
        notify.ready()
        while not self._stopping:
            moment = clock.monotonic()
            due = [*self._due.values(), *([self._schedule.due] if self._radio else [])]
            for key, _ in self._selector.select(max(0.0, min(due) - moment)):
                key.data()
            self._tend(clock.monotonic())
        self._control.close()
        self._close()

    def _tend(self, moment: float) -> None:
        """Do what is due at `moment` of the monotonic clock."""
        self._pulse.beat(moment)
        if moment >= self._due["look"]:
            self._due["look"] = moment + _LOOK_SECONDS
            self._watch(moment)
        if moment >= self._due["open"]:
            self._due["open"] = moment + _REOPEN_SECONDS
            self._open()
        if self._radio and moment >= self._schedule.due:
            self._speak(moment)

    def _watch(self, moment: float) -> None:
        """Judge the certificate when its file has changed, and now and then because time passes."""
        seen = _state_of(self._settings)
        if seen == self._seen and moment < self._due["judge"]:
            return
        self._seen, self._due["judge"] = seen, moment + _JUDGE_SECONDS
        verdict = announce.judge(self._settings, clock.now())
        url = announce.address(self._settings, verdict)
        self._tell_operator(verdict)
        self._verdict = verdict
        try:
            announce.write(self._settings, url)
        except OSError as error:
            _log.error("options_not_written", file=str(announce.options_file(self._settings)), reason=error.strerror)
        if url != self._url:
            self._url = url
            self._schedule.changed()

    def _tell_operator(self, verdict: Verdict) -> None:
        before = self._verdict
        if before and before.usable == verdict.usable and before.ends_at == verdict.ends_at:
            return
        if verdict.usable:
            _log.info("portal_api_announced", reason=verdict.reason)
        elif self._settings.portal.tls_certificate:
            _log.warning("portal_api_withdrawn", reason=verdict.reason)

    def _open(self) -> None:
        """Open what is not open: an interface may come, go and come again."""
        lan = self._settings.lan
        try:
            if self._overheard is None:
                self._overheard = Overheard(lan.interface)
                self._selector.register(self._overheard, selectors.EVENT_READ, self._overhear)
            if self._radio is None and lan.ipv6:
                self._radio = open_radio(lan.interface)
                self._selector.register(self._radio, selectors.EVENT_READ, self._hear)
                self._schedule.changed()
        except PermissionError as error:
            raise NetworkError(
                "Router advertisements need a raw socket, which this process may not open.",
                remedy="Run it as root, inside `unshare -Urnm`, or with AmbientCapabilities=CAP_NET_RAW.",
            ) from error
        except OSError as error:
            self._count_failure("link_not_ready", error)

    def _close(self) -> None:
        for held in (self._radio, self._overheard):
            if held is not None:
                self._selector.unregister(held)
                held.close()
        self._radio = self._overheard = None

    def _hear(self) -> None:
        """Take in solicitations."""
        for _ in range(_BUDGET):
            if self._radio is None:
                return
            try:
                message, extra, _, sender = self._radio.recvmsg(1500, 64)
            except BlockingIOError:
                return
            except OSError as error:
                self._lost(error)
                return
            address = sender[0].partition("%")[0]
            nameless = address == "::"
            if ra.solicits(message, _hop_limit(extra), nameless=nameless):
                self._schedule.asked("" if nameless else address, clock.monotonic())

    def _overhear(self) -> None:
        try:
            fresh = self._overheard.follow() if self._overheard else set()
        except OSError as error:
            self._lost(error)
            return
        for kind in sorted(fresh):
            _log.warning("guest_plays_gateway", kind=kind, remedy="`parvis status --json` names the device.")

    def _speak(self, moment: float) -> None:
        """Send what is due."""
        to_all, ready = self._schedule.take(moment)
        lan = self._settings.lan
        try:
            message = ra.encode(advert(self._settings, self._url))
            scope = socket.if_nametoindex(lan.interface)
            for receiver in [*([_ALL_NODES] if to_all else []), *ready]:
                self._send(message, receiver, scope)
        except OSError as error:
            self._schedule.failed(moment)
            self._lost(error)

    def _send(self, message: bytes, receiver: str, scope: int) -> None:
        """Send one; whoever asked and can't be reached is no reason to stop."""
        if self._radio is None:
            return
        try:
            self._radio.sendto(message, (receiver, 0, 0, scope))
            self._sent += 1
        except OSError as error:
            if receiver == _ALL_NODES:
                raise
            self._count_failure("answer_failed", error)

    def _lost(self, error: OSError) -> None:
        self._count_failure("link_lost", error)
        self._close()
        self._due["open"] = clock.monotonic() + _REOPEN_SECONDS / 2

    def _count_failure(self, name: str, error: OSError) -> None:
        self._failed += 1
        if self._failed % 100 == 1:
            _log.warning(name, interface=self._settings.lan.interface, reason=error.strerror)

    def _status(self) -> dict[str, Any]:
        heard = self._overheard
        rogues = [{**row._asdict(), "packets": count} for row, count in heard.heard.items()] if heard else []
        return {
            "ok": True,
            "announced": self._url,
            "certificate": self._verdict.reason if self._verdict else "",
            "advertisements": self._sent,
            "failures": self._failed,
            "refused": self._schedule.refused + self._control.refused,
            "rogue_packets": dict(heard.total) if heard else {},
            "rogues": rogues,
        }

    def _listen_to_signals(self) -> None:
        wake, woken = socket.socketpair()
        for end in (wake, woken):
            end.settimeout(0)
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        self._wakers = (wake, woken)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._selector.register(wake, selectors.EVENT_READ, lambda: wake.recv(64))

    def _stop(self, *_: object) -> None:
        self._stopping = True


def advert(settings: Settings, url: str) -> ra.Advert:
    """Return what we say. Raises OSError where the interface is gone."""
    lan = settings.lan
    if lan.ipv6 is None:
        raise NetworkError("There is no [lan] ipv6, so there is nothing to advertise.")
    return ra.Advert(lan.ipv6, network.link_address(lan.interface), url)


def open_radio(interface: str) -> socket.socket:
    """Return a raw ICMPv6 socket of one interface that hears solicitations alone (RFC 3542). Raises OSError."""
    radio = socket.socket(socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_ICMPV6)
    try:
        radio.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        blocked = bytearray(b"\xff" * 32)
        blocked[ra.SOLICITATION // 32 * 4 : ra.SOLICITATION // 32 * 4 + 4] = struct.pack(
            "=I", 0xFFFFFFFF & ~(1 << ra.SOLICITATION % 32)
        )
        radio.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, bytes(blocked))
        radio.setsockopt(socket.IPPROTO_IPV6, _RECEIVE_HOP_LIMIT, 1)
        for option in (socket.IPV6_MULTICAST_HOPS, socket.IPV6_UNICAST_HOPS):
            radio.setsockopt(socket.IPPROTO_IPV6, option, 255)
        radio.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
        group = socket.inet_pton(socket.AF_INET6, _ALL_ROUTERS) + struct.pack("=I", socket.if_nametoindex(interface))
        radio.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
    except OSError:
        radio.close()
        raise
    return radio


def say_farewell(settings: Settings) -> bool:
    """Tell all guests that this is no router any more; False where that can't be said."""
    if settings.lan.ipv6 is None:
        return True
    try:
        with open_radio(settings.lan.interface) as radio:
            scope = socket.if_nametoindex(settings.lan.interface)
            radio.sendto(ra.farewell(advert(settings, "")), (_ALL_NODES, 0, 0, scope))
    except OSError:
        return False
    return True


def _state_of(settings: Settings) -> object:
    path = settings.portal.tls_certificate
    try:
        status = path.stat() if path else None
    except OSError:
        return "missing"
    return (status.st_mtime_ns, status.st_size, status.st_ino) if status else None


def _hop_limit(extra: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in extra:
        if level == socket.IPPROTO_IPV6 and kind == _HOP_LIMIT and len(data) >= 4:
            return int(struct.unpack("=i", data[:4])[0])
    return -1
