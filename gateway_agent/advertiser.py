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
from typing import TYPE_CHECKING, Any

from edge_core import clock, logs, notify
from edge_core.settings import require_gateway
from gateway_agent import announce, keepalived, network
from gateway_agent.control import Control
from gateway_agent.link import Link
from gateway_agent.standing import Standing

if TYPE_CHECKING:
    from edge_core.certificate import Verdict
    from edge_core.settings import Settings

_log = logs.get(__name__)
_LOOK_SECONDS = 2.0
"""Between two looks at the certificate's file, which is read only where it has changed."""
_JUDGE_SECONDS = 60.0


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
        source = keepalived.link_local(settings)
        self._links = [Link(zone, self._selector, random.random, source and source.ip) for zone in settings.zones]
        self._standing = Standing(settings) if settings.ha.peer else None
        if self._standing:
            self._selector.register(self._standing, selectors.EVENT_READ, self._stand)
            self._stand()
        self._verdict: Verdict | None = None
        self._url = ""
        self._seen: object = None
        self._due = {"look": 0.0, "judge": 0.0}
        self._stopping = False
        self._pulse = notify.Pulse()

    def run(self) -> None:
        """Work until SIGTERM or SIGINT. Guests are told nothing at the end: a restart must not take their way."""
        self._listen_to_signals()
        self._tend(clock.monotonic())
        for link in self._links:
            if not link.is_open:
                _log.warning("advertiser_waits", interface=link.zone.interface)
        _log.info("advertiser_ready")
        notify.ready()
        while not self._stopping:
            moment = clock.monotonic()
            due = [*self._due.values(), *(link.due for link in self._links)]
            for key, _ in self._selector.select(max(0.0, min(due) - moment)):
                key.data()
            self._tend(clock.monotonic())
        self._control.close()
        for link in self._links:
            link.close()

    def _tend(self, moment: float) -> None:
        """Do what is due at `moment` of the monotonic clock."""
        self._pulse.beat(moment)
        if moment >= self._due["look"]:
            self._due["look"] = moment + _LOOK_SECONDS
            self._watch(moment)
            self._look_after()
        for link in self._links:
            link.tend(moment, self._url)

    def _stand(self) -> None:
        """Speak as the active one of a pair, be silent as the other: what guests were told holds for both."""
        if self._standing is None:
            return
        changed = self._standing.follow()
        for link in self._links:
            link.silent = not self._standing.active
            if changed:
                link.schedule.changed()

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
            for link in self._links:
                link.schedule.changed()

    def _look_after(self) -> None:
        """Say how fit this gateway of a pair is."""
        if self._standing is None:
            return
        self._stand()  # also where the event was lost
        try:
            self._standing.look(clock.now())
        except OSError as error:
            _log.error("fitness_not_written", reason=error.strerror)

    def _tell_operator(self, verdict: Verdict) -> None:
        before = self._verdict
        if before and before.usable == verdict.usable and before.ends_at == verdict.ends_at:
            return
        if verdict.usable:
            _log.info("portal_api_announced", reason=verdict.reason)
        elif self._settings.portal.tls_certificate:
            _log.warning("portal_api_withdrawn", reason=verdict.reason)

    def _status(self) -> dict[str, Any]:
        heard = [link.overheard for link in self._links if link.overheard]
        rogues = [{**row._asdict(), "packets": count} for one in heard for row, count in one.heard.items()]
        return {
            "ok": True,
            "announced": self._url,
            **({"active": self._standing.active} if self._standing else {}),
            "certificate": self._verdict.reason if self._verdict else "",
            "advertisements": sum(link.sent for link in self._links),
            "failures": sum(link.failed for link in self._links),
            "refused": sum(link.schedule.refused for link in self._links) + self._control.refused,
            "rogue_packets": {kind: sum(one.total[kind] for one in heard) for kind in heard[0].total} if heard else {},
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


def _state_of(settings: Settings) -> object:
    path = settings.portal.tls_certificate
    try:
        status = path.stat() if path else None
    except OSError:
        return "missing"
    return (status.st_mtime_ns, status.st_size, status.st_ino) if status else None
