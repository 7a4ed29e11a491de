# SPDX-License-Identifier: EUPL-1.2
"""The agent's loop: wires sockets and steps together. A step that fails is logged and tried again; the loop goes on."""

from __future__ import annotations

import gc
import os
import selectors
import signal
import socket
import sys
from collections import Counter
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from edge_core import clock, control, gateway_key, logs, netlink, notify
from edge_core.errors import ConfigurationError, NetworkError, ParvisError
from edge_core.settings import load, require_gateway
from edge_core.store import database, followed, site
from gateway_agent import failover, hostapd, idle, isolation, network, nft_state, quota, shared_quota, standing
from gateway_agent.accounting import Accounting
from gateway_agent.control import Control
from gateway_agent.counting import Counting
from gateway_agent.enforcement import Enforcement
from gateway_agent.places import Places
from gateway_agent.recording import Recording
from gateway_agent.roaming import Roaming
from gateway_agent.rules import NewSettingsError
from gateway_agent.stations import Stations
from gateway_agent.timekeeping import Timekeeper
from gateway_agent.uplink_watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_core.settings import Settings
    from gateway_agent.neighbours import Neighbours

_log = logs.get(__name__)
_TICK = 1.0
_LOOK_SECONDS = 3.0
"""Between two readings of all flows; with the 10 s that the kernel keeps a dead flow, a quick restart loses nothing."""
_LOOK_SHARE = 20
"""A reading that takes long is repeated after so many times its length at the earliest: 5 % of one core."""
_PROBE_SECONDS = 30.0


def spare_the_collector() -> None:
    """Have what is here now left alone: the collector need not walk 15,000 sessions again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


class Agent:
    """Everything that the agent holds open, and its steps."""

    def __init__(self, settings: Settings) -> None:
        """Open all of it. Raises ParvisError with the remedy where that is impossible."""
        require_gateway(settings)
        network.require(settings)
        self._settings, self._note = settings, network.note_of(settings)
        settings.run_dir.mkdir(parents=True, exist_ok=True)
        self._store = database.open_edge(settings.edge_db)
        self._selector = selectors.DefaultSelector()
        key = gateway_key.load(settings)
        self._roaming = Roaming(key, self._store, {zone.id for zone in settings.zones}) if key else None
        self._enforcement = Enforcement(settings, self._store, self._roaming.shut_out if self._roaming else None)
        self._accounting = Accounting(settings, self._store)
        self._places = Places(settings)
        self._counting = Counting(settings, self._store)
        self._recording = Recording(settings)
        self._stations = Stations(settings.run_dir / "hostapd", hostapd.interfaces(settings), self._selector)
        self._timekeeper = Timekeeper(self._store)
        self._quota, self._idle = quota.Watch(), idle.Watch()
        self._watch = Watch(settings, on_second=self._take_up_way())
        self._stopping = self._anew = self._untidy = False
        self._pulse = notify.Pulse()
        self._due = {"tick": 0.0, "look": 0.0, "probe": clock.monotonic() + _PROBE_SECONDS}
        self.failures: Counter[str] = Counter()
        """Steps that failed, by name."""
        self._control = Control(
            settings.agent_socket,
            {
                "nudge": self._nudged,
                "status": self._status,
                "page": lambda: self._status(control.PAGE),
                "counts": lambda: self._status(0),
                "alive": lambda: {"ok": True},
            },
            self._selector,
        )
        self._selector.register(self._accounting, selectors.EVENT_READ, self._accounting.follow)
        for neighbours in self._places.neighbours:
            self._selector.register(neighbours, selectors.EVENT_READ, lambda each=neighbours: self._follow(each))

    def run(self) -> None:
        """Work until SIGTERM or SIGINT, then write what was counted; the rules stay.

        At SIGHUP, or where the gateway was set up anew, this same process begins again with the settings as they are
        now; the kernel judges packets meanwhile.
        """
        self._listen_to_signals()
        self._step("first_look", lambda: self._accounting.look(clock.now(), live=False))
        spare_the_collector()
        self._watch.start()
        _log.info("agent_ready")
        notify.ready()
        while not self._stopping:
            self._tend(clock.monotonic())
            wait = max(0.0, min(self._due.values()) - clock.monotonic())
            for key, _ in self._selector.select(wait):
                self._step("event", key.data)
        self._watch.stop()
        self._step("last_look", lambda: self._accounting.look(clock.now()))
        self._step("last_record", lambda: self._accounting.record(clock.now()))
        self._recording.stop()
        self._control.close()
        self._accounting.close()
        self._enforcement.close()
        self._places.close()
        self._stations.close()
        self._store.close()
        if self._anew:
            os.execv(sys.executable, [sys.executable, "-m", "gateway_agent", "--config", str(self._settings.source)])  # noqa: S606  ourselves

    def _tend(self, moment: float) -> None:
        """Do what is due at `moment` of the monotonic clock."""
        self._pulse.beat(moment)
        if moment >= self._due["tick"]:
            self._due["tick"] = moment + _TICK
            self._step("reconcile", self._reconcile)
            self._step("stations", lambda: self._stations.tend(moment))
            self._step("presence", self._observe)
            self._step("reserve", lambda: self._enforcement.reserve(clock.now(), moment))
            self._step("legal", lambda: self._recording.tend(moment))
            if self._settings.wan.second:
                self._step("uplink", self._lead)
        if moment >= self._due["look"]:
            self._step("look", lambda: self._accounting.look(clock.now()))
            took = clock.monotonic() - moment
            soon = self._end_spent(moment)
            self._step("idle", lambda: self._end_idle(moment))
            self._step("isolation", lambda: isolation.isolate_newcomers(self._settings.zones, self._note))
            self._due["look"] = moment + max(min(_LOOK_SECONDS, soon), took * _LOOK_SHARE)
        if moment >= self._due["probe"]:
            self._due["probe"] = moment + _PROBE_SECONDS
            self._step("probe", self._places.probe)
            self._step("tidy", self._tidy)

    def _step(self, name: str, action: Callable[[], object]) -> bool:
        """Do one step; a failure is counted and logged, the first of a kind and each hundredth, and never ends us."""
        try:
            action()
        except NewSettingsError:
            self._begin_anew()
            return False
        except Exception as error:  # noqa: BLE001  the loop's edge: nothing transient may stop enforcement
            self.failures[name] += 1
            if self.failures[name] % 100 == 1:
                expected = isinstance(error, (ParvisError, OSError))
                _log.error("step_failed", step=name, reason=str(error), exc_info=not expected)
            return False
        return True

    def _reconcile(self) -> None:
        if moved := self._timekeeper.settle():
            self._enforcement.take_up_clock(moved)
        now = clock.now()
        if roaming := self._roaming:
            here = self._places.present() | self._enforcement.addresses().keys()
            self._step("roaming", lambda: roaming.turn(here, now))
        try:
            self._enforcement.reconcile(now)
        finally:
            # Where the kernel can't be changed, a session that is over still loses its flows and is told.
            self._untidy = bool(self._accounting.close_sessions(now)) or self._untidy

    def _tidy(self) -> None:
        """Have forgotten devices leave the write-ahead log too; where somebody reads it, the next time."""
        if self._untidy:
            self._untidy = not database.empty_log(self._store)

    def _follow(self, neighbours: Neighbours) -> None:
        """Take in who came and went; a device with a session at another gateway goes on at once."""
        neighbours.follow()
        arrived = set(neighbours.arrived)
        neighbours.arrived.clear()
        if self._roaming and self._roaming.welcome(arrived, clock.now()):
            self._reconcile()

    def _end_spent(self, moment: float) -> float:
        """End the sessions whose quota is used up; return in how many seconds the next may be."""
        limited = {grant.id: grant.quota for grant in self._enforcement.active if grant.quota is not None}
        elsewhere = site.open_usage(self._store) if self._roaming and limited else {}
        spent = {number: self._accounting.spent(number) + elsewhere.get(number, 0) for number in limited}
        for number, limit, used in shared_quota.of_codes(self._store, self._enforcement.active, self._accounting.spent):
            limited[number], spent[number] = limit, used
        over, soon = self._quota.judge(limited, spent, moment)
        if over:
            self._step("quota", lambda: followed.end(self._store, over, "quota", clock.now()))
            self._step("reconcile", self._reconcile)
        return soon

    def _end_idle(self, moment: float) -> None:
        """End the sessions whose device has been silent for as long as the settings allow, all over the site."""
        patience = self._settings.access.idle
        if patience and not standing.is_active(self._settings):
            self._idle = idle.Watch()  # what passes at the other of a pair is not seen here
        elif patience:
            ids = [grant.id for grant in self._enforcement.active]
            elsewhere = site.open_usage(self._store) if self._roaming else {}
            sent = {number: self._accounting.total(number).up_packets + elsewhere.get(number, 0) for number in ids}
            if over := self._idle.judge(sent, patience, moment):
                followed.end(self._store, over, "idle", clock.now())
                self._reconcile()

    def _observe(self) -> None:
        granted, leased = self._enforcement.active, self._enforcement.addresses()
        present = self._places.hold(granted, leased)
        if gone := self._stations.take_left():
            self._places.probe(gone)
        associated = self._stations.present()
        present |= dict.fromkeys(associated, self._settings.access_point.zone)
        known = {grant.mac for grant in granted} | set(leased)
        online = {grant.mac for grant in granted if present.get(grant.mac) == grant.zone}
        own = dict.fromkeys(associated, self._settings.device.id)
        self._counting.observe(present, known, online, clock.now(), clock.monotonic(), own=own)

    def _take_up_way(self) -> bool:
        """Return whether an earlier agent led out by the second uplink; one named no more is left."""
        if self._settings.wan.second:
            return failover.leads(self._settings.wan.second)
        failover.lead("")
        return False

    def _lead(self) -> None:
        """Lead out by the uplink that is open; what was masqueraded behind the other begins anew."""
        wan, second = self._settings.wan, self._watch.second
        if failover.lead(wan.second if second else ""):
            left = wan.interface if second else wan.second
            with suppress(OSError):  # the interface may be gone, and with it its flows
                self._accounting.end_behind({address.packed for address in network.addresses(left)})
            _log.warning("uplink_switched", second=second)

    def _nudged(self) -> dict[str, Any]:
        if self._step("nudge", self._reconcile):
            return {"ok": True}
        return {"ok": False, "reason": "the kernel or the store refused; see the agent's log"}

    def _status(self, most: int | None = None) -> dict[str, Any]:
        """Return all counts, and the first `most` sessions; None is all of them: megabytes at a full park."""
        now, addresses, active = clock.now(), self._enforcement.addresses(), self._enforcement.active
        sessions, totals = [], [self._accounting.total(grant.id) for grant in active]
        for grant, used in zip(islice(active, most), totals, strict=False):
            row = {"mac": grant.mac, "address": addresses.get(grant.mac), "remaining": round(grant.remaining(now))}
            used_up = {"up_bytes": used.up_bytes, "down_bytes": used.down_bytes}
            sessions.append({**row, "zone": grant.zone, **used_up})
        zones = self._places.counts(self._enforcement.active)
        return {
            "ok": True,
            "guests": sum(zone["guests"] for zone in zones.values()),
            "online": sum(zone["online"] for zone in zones.values()),
            "grants": len(active),
            "zones": zones,
            "failures": sum(self.failures.values()),
            "refused": self._control.refused + self._places.refused,
            "dropped": self._dropped(),
            "counting": self._counting.counts(),
            "told": self._counting.told,
            "stations": self._stations.counts(),
            "sessions": sessions,
            "traffic": [sum(used.up_bytes for used in totals), sum(used.down_bytes for used in totals)],
        }

    def _dropped(self) -> dict[str, int]:
        """Return the packets that the rules have refused, by reason."""
        try:
            with netlink.Socket(netlink.NETFILTER) as kernel:
                return nft_state.counters(kernel)
        except OSError:
            return {}

    def _begin_anew(self) -> None:
        """Read the settings again, unless they are wrong: then the old ones hold, and the log says why."""
        try:
            require_gateway(load(self._settings.source))
        except (ConfigurationError, NetworkError) as error:
            _log.error("settings_refused", reason=str(error))
            return
        _log.info("settings_read_again")
        self._stopping = self._anew = True

    def _listen_to_signals(self) -> None:
        wake, woken = socket.socketpair()
        for end in (wake, woken):
            end.settimeout(0)
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        self._wakers = (wake, woken)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, lambda *_: self._begin_anew())
        self._selector.register(wake, selectors.EVENT_READ, lambda: wake.recv(64))

    def _stop(self, *_: object) -> None:
        self._stopping = True
