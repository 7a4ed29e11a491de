# SPDX-License-Identifier: EUPL-1.2
"""The day's visits as CSV (RFC 4180) in words, for a spreadsheet: what a visitor wrote can't become a formula. Pure."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from edge_core.i18n import N_
from edge_core.web import dates

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edge_core.i18n import Language
    from edge_core.store.visits import Visit

_HEAD = (
    N_("Arrival"), N_("Departure"), N_("Name"), N_("People"), N_("Company"), N_("Host"), N_("State"), N_("Ended by"),
    N_("Badge"), N_("Kiosk"),
)  # fmt: skip
STATES = {
    "announced": N_("expected"),
    "arrived": N_("waiting"),
    "here": N_("received"),
    "left": N_("over"),
}
"""By edge_core.store.visits.STATES."""
ENDS = {
    "ticket": N_("the ticket"),
    "name": N_("the name"),
    "desk": N_("the reception"),
    "night": N_("the end of the day"),
}
"""By what ended a visit (contracts/, event.visit.left)."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
_MARK = "\ufeff"  # spreadsheets take UTF-8 for granted only with it


def table(found: Iterable[Visit], companies: Mapping[str, str], hosts: Mapping[str, str], language: Language) -> str:
    """Return the visits, in the words of `language`; `companies` and `hosts` are names by id."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([language.gettext(word) for word in _HEAD])
    for visit in found:
        cells = (
            _clock(visit.arrived_at), _clock(visit.left_at), visit.name, visit.people,
            companies.get(visit.company, visit.company), hosts.get(visit.host or "", visit.host or ""),
            language.gettext(STATES[visit.state]), language.gettext(ENDS[visit.how]) if visit.how else "",
            visit.badge, visit.place,
        )  # fmt: skip
        writer.writerow([quiet(str(cell)) for cell in cells])
    return _MARK + text.getvalue()


def quiet(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula (OWASP: CSV injection)."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _clock(moment: float | None) -> str:
    return dates.here(moment).strftime("%Y-%m-%d %H:%M") if moment is not None else ""
