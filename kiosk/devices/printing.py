# SPDX-License-Identifier: EUPL-1.2
"""Prints what waits, each ticket at most once: the journal (`print_jobs`) is written before and after the paper moves.

A job goes back to wait only while its second part, which holds its code, has not been sent. Once that was sent and no
answer came, nobody knows: the job is given up, its owner has the code on the screen, and a person may print it again.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

from edge_core import clock, logs
from edge_core.errors import StoreError
from edge_core.store import database, print_jobs
from kiosk import ticket
from kiosk.devices.printer import Printer, PrinterGoneError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edge_core.store.print_jobs import Job
    from kiosk.devices.paper import Sheets
    from kiosk.ticket import Ticket

_log = logs.get(__name__)
_HEAD_SECONDS = 20.0
_TAIL_SECONDS = 60.0
"""Seconds that a printer may take for the code and the cut: somebody may have to put in paper."""
_MOST_TRIES = 4
"""First parts that may come out in vain, with a printer whose cable is loose, before the roll is worth more."""
_LOOK_SECONDS = 5.0  # between two questions to an idle printer


class Printing:
    """Prints on the printer that is there. One thread calls all of it.

    `lay` makes the bytes of a ticket, `tell` is told the printer's state, `alive` is called while it waits.
    """

    def __init__(
        self,
        edge_db: Path,
        lay: Callable[[Ticket], Sheets],
        tell: Callable[[str], None],
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._edge_db, self._lay, self._tell, self._alive = edge_db, lay, tell, alive
        self._nodes: list[str] = []
        self._printer: Printer | None = None
        self._next_look = 0.0
        self._recovered = False
        self._misses = 0
        self._tries: Counter[str] = Counter()

    def came(self, node: str) -> None:
        """Use a printer that was plugged in, unless one is in use."""
        if node not in self._nodes:
            self._nodes.append(node)
        self._next_look = 0.0

    def went(self, node: str) -> None:
        """Let go of a printer that was pulled out."""
        self._nodes = [each for each in self._nodes if each != node]
        self._drop()

    def close(self) -> None:
        """Let go of the printer."""
        if self._printer is not None:
            self._printer.close()
            self._printer = None

    def turn(self) -> None:
        """Print one job, if there is one and a printer for it; otherwise look after the printer now and then."""
        with closing(database.open_edge(self._edge_db)) as connection:
            if not self._recovered:
                if number := print_jobs.interrupted(connection, clock.now()):
                    _log.warning("print_jobs_interrupted", number=number)
                self._recovered = True
            if not self._is_ready(anyway=print_jobs.is_waiting(connection)):
                return
            job = print_jobs.take(connection, clock.now())
            if job is not None:
                self._print(connection, job)

    def _is_ready(self, *, anyway: bool) -> bool:
        if not anyway and time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + _LOOK_SECONDS
        try:
            if self._printer is None and not self._open():
                return False
            state = self._printer.state() if self._printer else "absent"
        except PrinterGoneError:
            self._drop()
            return False
        self._tell(state)
        return state == "ready"

    def _open(self) -> bool:
        if not self._nodes:
            self._tell("absent")
            return False
        try:
            self._printer = Printer(self._nodes[0])
        except OSError as error:
            self._misses += 1
            if logs.worth_telling(self._misses):
                _log.warning("printer_not_opened", reason=error.strerror, times=self._misses)
            self._tell("denied" if isinstance(error, PermissionError) else "absent")
            return False
        self._misses = 0
        return True

    def _drop(self) -> None:
        if self._printer is not None:
            self._printer.close()
            self._printer = None
        self._tell("absent")

    def _print(self, connection: sqlite3.Connection, job: Job) -> None:
        try:
            sheets = self._lay(ticket.read(job.ticket))
        except (TypeError, ValueError, KeyError) as error:
            _log.error("ticket_not_laid_out", reason=type(error).__name__)
            print_jobs.give_up(connection, job.id, "unreadable", clock.now())
            return
        outcome = self._onto_paper(sheets)
        self._tries[job.id] += 1
        if outcome in ("gone", "busy") and self._tries[job.id] >= _MOST_TRIES:
            outcome = "tries"
        _log.info("ticket_printed" if outcome == "printed" else "ticket_not_printed", outcome=outcome)
        self._note(connection, job, outcome)

    def _onto_paper(self, sheets: Sheets) -> str:
        """Return "printed", or why not: "gone" or "busy" (surely no ticket came out), "unsure"."""
        printer = self._printer
        if printer is None:
            return "gone"
        self._tell("printing")
        before = "gone"  # what a printer that goes now means
        try:
            printer.write(sheets.head)
            if not printer.through(_HEAD_SECONDS, self._alive) and not printer.knows_no_turn():
                return "busy"
            try:
                printer.write(sheets.tail)
            except PrinterGoneError as error:
                before = "unsure" if error.tried else "gone"
                raise
            before = "unsure"
            return "printed" if printer.through(_TAIL_SECONDS, self._alive) else "unsure"
        except PrinterGoneError:
            self._drop()
            return before

    def _note(self, connection: sqlite3.Connection, job: Job, outcome: str) -> None:
        """Write the outcome down; a full disk leaves the job `printing`, which the next start gives up."""
        try:
            if outcome == "printed":
                print_jobs.done(connection, job.id, clock.now())
            elif outcome in ("unsure", "tries"):
                print_jobs.give_up(connection, job.id, outcome, clock.now())
            else:
                print_jobs.put_back(connection, job.id, outcome, clock.now())
                return
            del self._tries[job.id]
        except (StoreError, sqlite3.Error) as error:
            _log.error("print_job_not_noted", outcome=outcome, reason=type(error).__name__)
