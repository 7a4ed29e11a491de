# SPDX-License-Identifier: EUPL-1.2
"""The recorder: a process of its own that follows the kernel's connections and seals what the law asks for.

Opened connections are told by the kernel while there is room for it; ends are told again until we took them, so an
overflow loses no connection, only the moment at which it opened. What could not be recorded is itself recorded.
"""

from __future__ import annotations

import errno
import select
import signal
import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from edge_core import clock, legal, logs, netlink
from edge_core.errors import StoreError
from edge_core.store import database
from gateway_agent import legal_vault
from gateway_agent.legal_rows import ENDED, FOUND, OPENED, Chunk, Connection, Reader

if TYPE_CHECKING:
    from edge_core.settings import Settings

_log = logs.get(__name__)
_NEW, _DESTROYED, _GET = 1, 3, 0x101  # NFNLGRP_CONNTRACK_*; NFNL_SUBSYS_CTNETLINK and IPCTNL_MSG_CT_GET
_BUFFER = 32 * 1024 * 1024
_FLUSH_SECONDS = 2.0
_MOST_ROWS = 50_000
_MOST_WAITING = 200_000
"""Rows kept while the disk refuses; what comes after is counted as not recorded."""
_LONGEST_WAIT = 600.0
"""Seconds that a chunk spans at most, as its rows' times count from its start."""
_TICK = 1.0
_MOST_PEOPLE = 50_000


class Recorder:
    """The sockets, the open chunk and the file of today."""

    def __init__(self, settings: Settings) -> None:
        """Open the kernel's events. Raises ConfigurationError where the investigator's key can't be read."""
        self._settings = settings
        self._key = legal_vault.investigator(settings.legal.investigator or settings.source)
        self._folder = legal.folder(settings)
        self._opened, self._ended = netlink.Socket(netlink.NETFILTER), netlink.Socket(netlink.NETFILTER)
        self._opened.subscribe(_NEW, buffer=_BUFFER)
        self._ended.subscribe(_DESTROYED, buffer=_BUFFER, reliable=True)
        self._reader = Reader()
        self._segment: legal_vault.Segment | None = None
        self._chunk = Chunk(clock.now())
        self._people: dict[int, tuple[str, str]] = {}
        self._unknown: set[int] = set()
        self._told: set[int] = set()
        self._store: sqlite3.Connection | None = None
        self._unrecorded, self._since = 0, 0.0
        self._state = legal.IDLE
        self._absence: dict[str, Any] | None = None
        self._due = self._tick_due = 0.0
        self._stopping = self._is_kept = False
        self.overflows = self.rows = self.bytes = 0

    def run(self) -> None:
        """Record until SIGTERM or SIGINT, while it is wanted."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._note_absence()
        _log.info("legal_recorder_ready", record=self._settings.legal.record)
        while not self._stopping:
            select.select([self._opened, self._ended], [], [], _TICK / 4)
            self.turn()
        self.flush(clock.now())

    def turn(self) -> None:
        """Take in what happened, and write it down when it is time."""
        now, running = clock.now(), clock.monotonic()
        if running >= self._tick_due:
            self._tick_due = running + _TICK
            self._tick(now)
        self._take(self._opened, OPENED, now)
        self._take(self._ended, ENDED, now)
        if self._unknown:
            self._learn()
        if running >= self._due or self._chunk.rows >= _MOST_ROWS or self._chunk.is_full:
            self._due = running + _FLUSH_SECONDS
            self.flush(now)

    def flush(self, now: float) -> None:
        """Seal the open chunk. Where the disk refuses, it waits, up to a bound; then it counts as not recorded."""
        if self._segment and self._segment.day != legal_vault.day_of(now):
            self._close()
        if not self._chunk.rows and not self._chunk.gaps and not self._unrecorded:
            return
        try:
            self._seal(now)
        except OSError as error:
            self._refused(error, now)
            return
        self.rows += self._chunk.rows
        self._told.update(self._chunk.people)
        if len(self._people) > _MOST_PEOPLE:
            self._people.clear()
        self._chunk, self._unrecorded, self._since = Chunk(now), 0, 0.0
        self._change(legal.RECORDING)

    def _seal(self, now: float) -> None:
        """Bring the open chunk to the disk, with whose its grants are, once in each file. Raises OSError."""
        if self._segment is None:
            self._segment = legal_vault.Segment(self._folder, legal_vault.day_of(self._chunk.began), self._key)
            self._told.clear()
        chunk = self._chunk
        chunk.people = {grant: who for grant, who in self._people.items() if grant not in self._told}
        missing = [{"from": self._since, "until": now, "events": self._unrecorded}] if self._unrecorded else []
        # Beside the chunk's own: this is tried again until the disk takes it, and the gap grows meanwhile.
        self.bytes += self._segment.append(chunk.pack(self._segment.number, missing))

    def _tick(self, now: float) -> None:
        wanted = legal.is_wanted(self._settings, now)
        if wanted and self._state == legal.IDLE:
            self._chunk = Chunk(now)
            self._change(legal.RECORDING)
            self._begin(now)
        elif not wanted and self._state != legal.IDLE:
            self.flush(now)
            self._close()
            self._change(legal.IDLE)
        legal.tell_state(self._settings, self._state)
        if clock.synchronised():
            self._shred(now)

    def _begin(self, now: float) -> None:
        """Record what is open already."""
        with netlink.Socket(netlink.NETFILTER) as kernel:
            for body in kernel.dump(_GET, bytes(4)):
                self._add(FOUND, now, self._reader.read(body))

    def _take(self, source: netlink.Socket, kind: int, now: float) -> None:
        read = self._reader.read
        try:
            for _, body in source.events():
                self._add(kind, now, read(body))
        except netlink.NetlinkError as error:
            if error.errno != errno.ENOBUFS:
                raise
            self.overflows += 1
            if kind == OPENED and self._state != legal.IDLE:
                self._chunk.gaps.append({"from": now, "until": now, "overflow": "openings"})

    def _add(self, kind: int, now: float, which: Connection | None) -> None:
        if which is None or self._state == legal.IDLE:
            return
        chunk = self._chunk
        if self._state == legal.FULL and (
            chunk.rows >= _MOST_WAITING or chunk.is_full or now - chunk.began > _LONGEST_WAIT
        ):
            self._unrecorded += 1
            self._since = self._since or now
            return
        chunk.add(kind, now, which)
        if which.grant not in self._people:
            self._unknown.add(which.grant)

    def _learn(self) -> None:
        """Look up whose the new grants are at once: when its session ends, a device is forgotten."""
        try:
            if self._store is None:
                self._store = database.open_edge(self._settings.edge_db)
            for grant in self._unknown:
                row = self._store.execute("SELECT session, mac FROM grants WHERE id = ?", [grant]).fetchone()
                self._people[grant] = (row[0], row[1]) if row else ("unknown", "")
            self._unknown.clear()
        except (sqlite3.Error, StoreError) as error:
            self._store = None
            _log.warning("grants_unread", reason=str(error))

    def _refused(self, error: OSError, now: float) -> None:
        if self._state != legal.FULL:
            _log.error("legal_record_refused", reason=str(error), policy=self._settings.legal.when_full)
        self._since = self._since or now
        self._change(legal.FULL)

    def _shred(self, now: float) -> None:
        """Destroy what is due; a disk that refuses is asked again at each tick, and told of once."""
        try:
            for day in legal_vault.shred(self._folder, datetime.fromtimestamp(now, UTC).date()):
                _log.info("legal_day_destroyed", day=day)
                legal_vault.log(self._folder, {"at": now, "destroyed": day})
            self._is_kept = False
        except OSError as error:
            if not self._is_kept:
                _log.error("legal_day_not_destroyed", reason=str(error))
            self._is_kept = True

    def _note_absence(self) -> None:
        """Keep in mind, to be recorded first, that nothing was since the last sign of life."""
        last = legal.last_sign(self._settings)
        if last is not None and legal.is_wanted(self._settings, last):
            self._absence = {"from": last, "until": clock.now(), "absent": True}

    def _change(self, state: str) -> None:
        if state == legal.RECORDING and self._absence:
            self._chunk.gaps.append(self._absence)
            self._absence = None
        if state != self._state:
            self._state = state
            legal.tell_state(self._settings, state)

    def _close(self) -> None:
        if self._segment:
            self._segment.close()
            self._segment = None

    def _stop(self, *_: object) -> None:
        self._stopping = True
