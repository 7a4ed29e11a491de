# SPDX-License-Identifier: EUPL-1.2
"""The agent's loop: wires sockets and steps together. A step that fails is logged and tried again; the loop goes on."""

from __future__ import annotations

import selectors
import signal
import socket
from collections import Counter
from typing import TYPE_CHECKING, Any

from edge_core import clock, logs, notify
from edge_core.errors import ParvisError
from edge_core.settings import require_gateway
from edge_core.store import database, outbox
from gateway_agent import network
from gateway_agent.accounting import Accounting
from gateway_agent.control import Control
from gateway_agent.enforcement import Enforcement
from gateway_agent.neighbours import Neighbours
from gateway_agent.presence import Presence

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_core.settings import Settings

_log = logs.get(__name__)
_TICK = 1.0
_LOOK_SECONDS = 3.0
"""Between two readings of all flows; with the 10 s that the kernel keeps a dead flow, a quick restart loses nothing."""
_LOOK_SHARE = 20
"""A reading that takes long is repeated after so many times its length at the earliest: 5 % of one core."""
_PROBE_SECONDS = 30.0


class Agent:
    """Everything that the agent holds open, and its steps."""

    def __init__(self, settings: Settings) -> None:
        """Open all of it. Raises ParvisError with the remedy where that is impossible."""
        require_gateway(settings)
        network.require(settings)
        settings.run_dir.mkdir(parents=True, exist_ok=True)
        self._store = database.open_edge(settings.edge_db)
        self._selector = selectors.DefaultSelector()
        self._enforcement = Enforcement(settings, self._store)
        self._accounting = Accounting(settings, self._store)
        self._neighbours = Neighbours(settings.lan.interface)
        counting = settings.presence
        self._presence = Presence(counting.window, counting.minimum, counting.rounding)
        self._stopping = False
        self._pulse = notify.Pulse()
        self._due = {"tick": 0.0, "look": 0.0, "probe": clock.monotonic() + _PROBE_SECONDS}
        self.failures: Counter[str] = Counter()
        """Steps that failed, by name."""
        self._control = Control(settings.agent_socket, {"nudge": self._nudged, "status": self._status}, self._selector)
        self._selector.register(self._accounting, selectors.EVENT_READ, self._accounting.follow)
        self._selector.register(self._neighbours, selectors.EVENT_READ, self._neighbours.follow)

    def run(self) -> None:
        """Work until SIGTERM or SIGINT, then write what was counted; the rules stay."""
        self._listen_to_signals()
        self._step("first_look", lambda: self._accounting.look(clock.now(), live=False))
        _log.info("agent_ready")
        notify.ready()
        while not self._stopping:
            self._tend(clock.monotonic())
            wait = max(0.0, min(self._due.values()) - clock.monotonic())
            for key, _ in self._selector.select(wait):
                self._step("event", key.data)
        self._step("last_look", lambda: self._accounting.look(clock.now()))
        self._step("last_record", lambda: self._accounting.record(clock.now()))
        self._control.close()
        self._accounting.close()
        self._enforcement.close()
        self._neighbours.close()
        self._store.close()

    def _tend(self, moment: float) -> None:
        """Do what is due at `moment` of the monotonic clock."""
        self._pulse.beat(moment)
        if moment >= self._due["tick"]:
            self._due["tick"] = moment + _TICK
            self._step("reconcile", self._reconcile)
            self._step("presence", self._observe)
        if moment >= self._due["look"]:
            self._step("look", lambda: self._accounting.look(clock.now()))
            took = clock.monotonic() - moment
            self._due["look"] = moment + max(_LOOK_SECONDS, took * _LOOK_SHARE)
        if moment >= self._due["probe"]:
            self._due["probe"] = moment + _PROBE_SECONDS
            self._step("probe", self._neighbours.probe)

    def _step(self, name: str, action: Callable[[], object]) -> bool:
        """Do one step; a failure is counted and logged, the first of a kind and each hundredth, and never ends us."""
        try:
            action()
        except Exception as error:  # noqa: BLE001  the loop's edge: nothing transient may stop enforcement
            self.failures[name] += 1
            if self.failures[name] % 100 == 1:
                expected = isinstance(error, (ParvisError, OSError))
                _log.error("step_failed", step=name, reason=str(error), exc_info=not expected)
            return False
        return True

    def _reconcile(self) -> None:
        now = clock.now()
        try:
            self._enforcement.reconcile(now)
        finally:
            # Where the kernel can't be changed, a session that is over still loses its flows and is told.
            self._accounting.close_sessions(now)

    def _observe(self) -> None:
        now, present = clock.now(), self._neighbours.present()
        online = sum(1 for grant in self._enforcement.active if grant.mac in present)
        for window in self._presence.observe(present, online, now):
            with database.write(self._store) as store:
                outbox.append(store, window, now)

    def _nudged(self) -> dict[str, Any]:
        if self._step("nudge", self._reconcile):
            return {"ok": True}
        return {"ok": False, "reason": "the kernel or the store refused; see the agent's log"}

    def _status(self) -> dict[str, Any]:
        now, present, addresses = clock.now(), self._neighbours.present(), self._enforcement.addresses()
        sessions = []
        for grant in self._enforcement.active:
            used = self._accounting.total(grant.id)
            row = {"mac": grant.mac, "address": addresses.get(grant.mac), "remaining": round(grant.remaining(now))}
            sessions.append({**row, "up_bytes": used.up_bytes, "down_bytes": used.down_bytes})
        online = sum(1 for grant in self._enforcement.active if grant.mac in present)
        return {
            "ok": True,
            "guests": len(present),
            "online": online,
            "grants": len(sessions),
            "failures": sum(self.failures.values()),
            "refused": self._control.refused + self._neighbours.refused,
            "sessions": sessions,
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
