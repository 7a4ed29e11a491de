# SPDX-License-Identifier: EUPL-1.2
"""Watches the ways to the Internet from a thread of its own, and tells: the pages by a file, the platform by an event.

It changes nothing in the kernel; which way to take it only says, and the agent's loop does it.
"""

from __future__ import annotations

import json
import random
import sqlite3
import threading
from typing import TYPE_CHECKING

from edge_core import clock, logs, uplink
from edge_core.errors import ParvisError
from edge_core.events import UplinkChanged
from edge_core.store import database, outbox
from gateway_agent import uplink_probe
from gateway_agent.uplink_decision import Way, prefer_second
from gateway_agent.uplink_quality import Quality

if TYPE_CHECKING:
    from edge_core.event import Event
    from edge_core.settings import Settings

_log = logs.get(__name__)
_JITTER = 0.2


class Watch:
    """The thread. `second` says whether the second way is to be taken; any thread may read it."""

    def __init__(self, settings: Settings, *, on_second: bool = False) -> None:
        """Open nothing yet. `on_second`: an earlier agent led out by the second way, which holds until more is seen."""
        self._settings = settings
        self._ways = {name: Way() for name in (settings.wan.interface, settings.wan.second) if name}
        if on_second:
            told = uplink.read(settings.run_dir)
            since = told.since if told else clock.now()
            self._ways[settings.wan.interface] = Way(up=False, since=since)
            self._ways[settings.wan.second] = Way(up=True, since=since)
        self._quality = Quality(settings.presence.window)
        self._stopping = threading.Event()
        self._told: tuple[bool, str] | None = None
        self._thread = threading.Thread(target=self._run, name="uplink", daemon=True)
        self.second = on_second

    def start(self) -> None:
        """Begin, where the settings name something to ask; otherwise take away what an earlier one has told."""
        if self._settings.uplink.probes:
            self._thread.start()
        else:
            (self._settings.run_dir / uplink.NAME).unlink(missing_ok=True)

    def stop(self) -> None:
        """Let the thread end after its present round."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._round()
            except (ParvisError, OSError, sqlite3.Error) as error:
                _log.error("uplink_untold", reason=str(error))
            pause = self._settings.uplink.interval
            self._stopping.wait(pause * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311  spreads gateways' probes

    def _round(self) -> None:
        wanted = self._settings.uplink
        took = {name: uplink_probe.quickest(wanted.probes, name, wanted.patience) for name in self._ways}
        for interface, way in self._ways.items():
            way.observe(took[interface], clock.now())
        first = self._ways[self._settings.wan.interface]
        other = self._ways.get(self._settings.wan.second)
        self.second = other is not None and prefer_second(first, other)
        used = other if other is not None and self.second else first
        name = "second" if self.second else "first"
        if used.up is not None:
            self._tell(used, name)
        measured = self._quality.observe(
            name, took[self._settings.wan.second if self.second else self._settings.wan.interface], clock.now()
        )
        if measured:
            self._record(measured)

    def _tell(self, way: Way, name: str) -> None:
        """Tell what has changed; the file, in memory, each time and before the event; both again where one fails."""
        state = (bool(way.up), name)
        draft = self._settings.run_dir / f"{uplink.NAME}.new"
        draft.write_text(
            json.dumps({"up": state[0], "since": way.since, "milliseconds": way.milliseconds}), encoding="ascii"
        )
        draft.chmod(0o644)
        draft.replace(self._settings.run_dir / uplink.NAME)
        if state == self._told:
            return
        self._record(UplinkChanged(up=state[0], way=name, milliseconds=way.milliseconds))
        self._told = state
        _log.info("uplink_changed", up=state[0], way=name, milliseconds=way.milliseconds)

    def _record(self, event: Event) -> None:
        store = database.open_edge(self._settings.edge_db)
        try:
            with database.write(store) as writing:
                outbox.append(writing, event, clock.now())
        finally:
            store.close()
