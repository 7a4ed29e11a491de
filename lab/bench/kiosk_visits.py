# SPDX-License-Identifier: EUPL-1.2
"""Visits one after the other, from the first page to the last, with a ticket each on a printer that reads ESC/POS."""

import http.client
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from urllib.parse import urlencode, urlsplit

from edge_core.settings import Settings
from edge_core.store import database, print_jobs
from kiosk import frame
from kiosk.devices import paper
from kiosk.devices.printing import Printing
from lab.bench.figures import Figure
from lab.printer import Printer

_VISITS = int(os.environ.get("PARVIS_BENCH_VISITS", "2000"))
_EARLY = 0.1  # of the visits, after which memory is read first
_PRINT_SECONDS = 60.0


def figures(base: str, settings: Settings, company: str, memory: Callable[[], float]) -> list[Figure]:
    """Return what was lost, what came out twice, and what `memory` (MB) grew by, over all visits.

    Raises RuntimeError where the kiosk refuses a visit or the printer a ticket.
    """
    printer = Printer()
    language = frame.languages()["fr"]
    desk = Printing(settings.edge_db, lambda ticket: paper.lay(ticket, language), lambda _: None)
    desk.came(printer.plug())
    early, began = 0.0, time.monotonic()
    with closing(database.open_edge(settings.edge_db)) as store:
        for number in range(_VISITS):
            _visit(base, company, f"Visiteur Fictif {number}")
            _print(store, desk)
            if number + 1 == round(_VISITS * _EARLY):
                early = memory()
        took = time.monotonic() - began
        over = store.execute("SELECT count(*) FROM visits WHERE left_at IS NOT NULL").fetchone()[0]
    twice = sum(count > 1 for count in Counter(printer.paper.codes()).values())
    printed = len(set(printer.paper.codes()))
    desk.close()
    printer.pull()
    late = memory()
    name = f"memory of the pages' processes (PSS) after {_VISITS} visits"
    return [
        Figure(f"visits lost, of {_VISITS}", float(_VISITS - over), "", goal=0),
        Figure("tickets lost", float(_VISITS - printed), "", goal=0),
        Figure("tickets printed twice", float(twice), "", goal=0),
        Figure(f"{name} (after a tenth of them: {early})", late, "MB"),
        Figure("a visit of six requests with its ticket", round(1000 * took / _VISITS, 1), "ms"),
    ]


def _visit(base: str, company: str, name: str) -> None:
    """Arrive and leave, as the pages lead."""
    _ask(base, "/fr/")
    _ask(base, "/fr/visit")
    place = f"/fr/visit/{company}/-"
    _ask(base, place)
    received = _ask(base, place, name=name, people="1")
    _ask(base, received)
    _ask(base, f"/fr/leaving/{received.rsplit('/', 1)[1]}", left="1")


def _ask(base: str, path: str, **form: str) -> str:
    """Ask for a page, or send a form; return where it leads, "" where it is the page."""
    address = urlsplit(base)
    with closing(http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)) as connection:
        headers = {"Origin": base, "Content-Type": "application/x-www-form-urlencoded"} if form else {}
        connection.request("POST" if form else "GET", path, urlencode(form) or None, headers)
        answer = connection.getresponse()
        answer.read()
    if answer.status != (303 if form else 200):
        raise RuntimeError(f"the kiosk answers {path} with {answer.status}")
    return urlsplit(answer.getheader("Location", "")).path


def _print(store: sqlite3.Connection, desk: Printing) -> None:
    end = time.monotonic() + _PRINT_SECONDS
    while print_jobs.is_waiting(store):
        desk.turn()
        if time.monotonic() > end:
            raise RuntimeError("a ticket was not printed")
