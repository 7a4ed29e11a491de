# SPDX-License-Identifier: EUPL-1.2
"""Joins the device service's parts: each change of udev goes to the part whose device it is; decides nothing itself."""

from __future__ import annotations

import os
import queue
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edge_core import clock, i18n, logs, notify, stick_receipt
from edge_core.hotplug import Change, Hotplug
from kiosk.devices import paper
from kiosk.devices.board import Board
from kiosk.devices.door import Door
from kiosk.devices.keypad import Press
from kiosk.devices.printing import Printing
from kiosk.devices.readers import Readers
from kiosk.devices.reports import Reports
from kiosk.devices.rounds import Rounds
from kiosk.devices.screen import Screen
from kiosk.devices.wedge import Garbage, Scan

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_core.hotplug import Plugged
    from edge_core.settings import Settings
    from kiosk.devices.paper import Sheets
    from kiosk.ticket import Ticket

_log = logs.get(__name__)
_LOOK = 10.0  # seconds between two lists of what is plugged in
_TURN = 0.25
_END_SECONDS = 5.0
_AGAIN = 2.0  # seconds after a part failed until it is tried again
_READ = frozenset({"scanner", "badge", "keypad", "keyboard"})


class Service:
    """The running service; `stop` ends `run`."""

    def __init__(self, settings: Settings, hotplug: Callable[[], Hotplug] = Hotplug) -> None:
        self._reports = Reports(settings.edge_db)
        self.board = Board(note=self._reports.note)
        self._door = Door(settings.devices_socket, self.board)
        self._hotplug = hotplug
        self._plugged: queue.SimpleQueue[Change] = queue.SimpleQueue()
        self._readers = Readers(self._heard)
        self._rounds = Rounds()
        self._printers: queue.SimpleQueue[Change] = queue.SimpleQueue()
        self._printing = Printing(settings.edge_db, _layout(settings), self._printer_is, self._printer_lives)
        self._stopping = threading.Event()
        self._screen = (
            Screen(settings, self.board, _orders(settings), self._reports.helped, time.monotonic())
            if settings.kiosk.screen
            else None
        )
        self._present: set[Plugged] = set()
        self._nodes: dict[str, set[str]] = {}
        self._run_dir = settings.run_dir
        self._stick_since = self._stick_told = 0.0

    def run(self) -> None:
        """Work until `stop`."""
        self._door.start()
        parts = (
            ("hotplug", self._follow),
            ("readers", self._read),
            ("printer", self._print),
            ("screen", self._look_at_screen),
        )
        threads = [threading.Thread(target=self._turning, args=part, name=part[0], daemon=True) for part in parts]
        for thread in threads:
            thread.start()
        notify.ready()
        pulse = notify.Pulse()
        while not self._stopping.wait(_TURN):
            if hanging := self._rounds.hanging(time.monotonic()):
                _log.error("device_thread_hangs", threads=hanging)
            else:
                pulse.beat(time.monotonic())
        self._close(threads)

    def stop(self, *_: object) -> None:
        """End soon."""
        self._stopping.set()

    def _close(self, threads: list[threading.Thread]) -> None:
        """Let go of everything; the thread that asks udev may be waiting, and holds nothing."""
        self._door.shutdown()
        self._door.server_close()
        for thread in threads[1:]:
            thread.join(_END_SECONDS)
        self._readers.close()
        self._printing.close()

    def _turning(self, name: str, turn: Callable[[], None]) -> None:
        """Run one part for ever: what fails is logged and begun again, for a device that misbehaves is no news."""
        while not self._stopping.is_set():
            self._rounds.turned(name, time.monotonic())
            try:
                turn()
            except Exception:  # noqa: BLE001  the edge of a thread's loop
                _log.exception("device_part_failed", part=name)
                self._stopping.wait(_AGAIN)

    def _follow(self) -> None:
        """Follow udev until it fails: a monitor that ran over raises for ever, so a new one is made."""
        source = self._hotplug()
        first = source.changes(0.0)
        for device in self._present - {change.device for change in first}:  # it went while nobody looked
            self._route(Change(came=False, device=device))
        for change in first:
            self._route(change)
        while not self._stopping.is_set():
            for change in source.changes(_LOOK):
                self._route(change)
            self._rounds.turned("hotplug", time.monotonic())

    def _route(self, change: Change) -> None:
        device = change.device
        (self._present.add if change.came else self._present.discard)(device)
        _log.info("device_came" if change.came else "device_went", role=device.role, label=device.label)
        if device.role in _READ:
            self._plugged.put(change)
        elif device.role == "printer":
            self._printers.put(change)
        else:
            if device.role == "stick":
                self._stick_since = clock.now()
            self._tell(device, "ready" if change.came else "absent")

    def _read(self) -> None:
        while not self._plugged.empty():
            change = self._plugged.get()
            if change.came:
                self._tell(change.device, self._readers.add(change.device.role, change.device.node))
            else:
                self._readers.remove(change.device.node)
                self._tell(change.device, "absent")
        self._readers.turn(_TURN)

    def _print(self) -> None:
        while not self._printers.empty():
            change = self._printers.get()
            (self._printing.came if change.came else self._printing.went)(change.device.node)
        self._printing.turn()
        self._stopping.wait(_TURN)

    def _look_at_screen(self) -> None:
        if self._screen is not None:
            self._screen.turn(time.monotonic(), clock.now())
        self._look_at_stick()
        self._reports.turn(time.monotonic())
        self._stopping.wait(1.0)

    def _look_at_stick(self) -> None:
        """Tell what becomes of the stick; another process takes its content (sync.stick)."""
        told = stick_receipt.read(self._run_dir)
        if told is None or told.at < self._stick_since:
            return
        here = told.node in self._nodes.get("stick", ())
        at = f"{told.at:.0f}"
        if told.state == "reading":
            if here:
                reading = {"news": "reading", "percent": str(told.percent), "node": told.node, "at": at}
                self.board.tell("stick", state="ready", **reading)
            return
        if here or told.at != self._stick_told:  # it may have been pulled out half-way, and that is told once
            state, news = (told.state, told.state) if here else ("absent", "pulled")
            about = {"label": told.reason, "node": told.node, "at": at}
            self.board.tell("stick", state=state, news=news if told.reason else "taken", **about)
        self._stick_told = told.at

    def _printer_is(self, state: str) -> None:
        self.board.tell("printer", state=state)

    def _printer_lives(self) -> None:
        self._rounds.turned("printer", time.monotonic())

    def _tell(self, device: Plugged, state: str) -> None:
        """Note a device's state; a role is absent only when its last device went."""
        nodes = self._nodes.setdefault(device.role, set())
        (nodes.discard if state == "absent" else nodes.add)(device.node)
        if device.role == "keyboard":
            state = "absent" if not nodes else "refused" if state == "ready" else state
        if state != "absent" or not nodes:
            self.board.tell(device.role, state=state, label=device.label, node=device.node)

    def _heard(self, role: str, what: Scan | Garbage | Press) -> None:
        if isinstance(what, Press):
            self.board.pressed(what.wish)
        elif isinstance(what, Scan):
            self.board.scanned(role, what.text)
        else:
            _log.warning("scan_refused", role=role, reason=what.reason)
            self.board.refused(role, what.reason)


def _layout(settings: Settings) -> Callable[[Ticket], Sheets]:
    """Return how tickets are laid out on this kiosk's printer, in their own language."""
    languages = i18n.load(Path(__file__).parents[1] / "locales")
    kiosk = settings.kiosk

    def lay(ticket: Ticket) -> Sheets:
        language = languages.get(ticket.language, languages[i18n.DEFAULT])
        return paper.lay(ticket, language, kiosk.paper, kiosk.printer_profile)

    return lay


def _orders(settings: Settings) -> Path:
    """Return where orders are left: the unit's own folder, or the one of sockets where there is no systemd."""
    return Path(os.environ.get("RUNTIME_DIRECTORY") or settings.run_dir)
