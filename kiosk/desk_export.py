# SPDX-License-Identifier: EUPL-1.2
"""The day's visits as CSV (RFC 4180), for a spreadsheet: what a visitor wrote can't become a formula there. Pure."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from edge_core.web import dates

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edge_core.store.visits import Visit

_HEAD = ("arrived", "left", "name", "people", "company", "host", "state", "ended_by", "badge", "kiosk")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
_MARK = "\ufeff"  # spreadsheets take UTF-8 for granted only with it


def table(found: Iterable[Visit], companies: Mapping[str, str]) -> str:
    """Return the visits; `companies` are names by id."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_HEAD)
    for visit in found:
        cells = (
            _clock(visit.arrived_at), _clock(visit.left_at), visit.name, visit.people,
            companies.get(visit.company, visit.company), visit.host or "", visit.state, visit.how, visit.badge,
            visit.place,
        )  # fmt: skip
        writer.writerow([quiet(str(cell)) for cell in cells])
    return _MARK + text.getvalue()


def quiet(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula (OWASP: CSV injection)."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _clock(moment: float | None) -> str:
    return dates.here(moment).strftime("%Y-%m-%d %H:%M") if moment is not None else ""
