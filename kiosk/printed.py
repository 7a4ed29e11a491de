# SPDX-License-Identifier: EUPL-1.2
"""Tells a visitor how far the printing of their tickets is; reads the journal and the printer's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_core import live_kiosks
from edge_core.i18n import N_
from edge_core.store import print_jobs

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Sequence

    from edge_core.settings import Settings
    from edge_core.store.visits import Ticket

PRINTED = N_("It is printed: take it with you.")
PRINTING = N_("It is being printed.")
PAPER = N_("The printer has no paper. The ticket comes out when the reception has put some in.")
FAULT = N_("The printer can't print just now. Ask at the reception.")
IN_DOUBT = N_("It may not have come out whole. The reception can print it again.")
_OF_PRINTER = {"ready": PRINTING, "printing": PRINTING, "paper": PAPER, None: ""}


def words(states: Collection[str], printer: str | None) -> str:
    """Return what to say, "" where no printer is; `states` are those of the tickets' jobs, `printer` is its own."""
    if not states:
        return ""
    if print_jobs.SHOWN in states:
        return IN_DOUBT
    if set(states) == {print_jobs.PRINTED}:
        return PRINTED
    return _OF_PRINTER.get(printer, FAULT)


def of(connection: sqlite3.Connection, tickets: Sequence[Ticket], settings: Settings) -> str:
    """Return what to say of a visit's tickets. Raises sqlite3.Error."""
    jobs = [job for each in tickets if (job := print_jobs.get(connection, each.code))]
    states = {job.state for job in jobs}
    waits = bool(states & {print_jobs.WAITING, print_jobs.PRINTING})
    return words(states, live_kiosks.own(settings)["devices"].get("printer") if waits else None)
