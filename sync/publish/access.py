# SPDX-License-Identifier: EUPL-1.2
"""Reads the plans of going online from their table: which way gives what, for how long, when."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sync.publish import rows, tables
from sync.publish.directory import in_languages, unique

if TYPE_CHECKING:
    from pathlib import Path

    from sync.publish.problems import Problems

_WAYS = ("click", "voucher", "sign-in", "mail")
_LIMITS = ("rate_down", "rate_up", "quota")
_HOURS = re.compile(r"([1-7])(?:-([1-7]))? ((?:[01]\d|2[0-3]):[0-5]\d)-((?:[01]\d|2[0-3]):[0-5]\d|24:00)")
_YEAR = 366 * 24 * 60
_MEGABYTE = 1_000_000


def plans(folder: Path, problems: Problems) -> list[dict[str, Any]]:
    """Return the records of access.csv or access.xlsx."""
    optional = [*in_languages("name", "description"), *_LIMITS, "devices", "extensions", "hours"]
    found = tables.read(folder, "access", ["id", "ways", "name_fr", "minutes"], problems, optional=optional)
    return unique([(row, _plan(row)) for row in found])


def _plan(row: rows.Row) -> dict[str, Any]:
    ways = row.several("ways")
    for way in ways:
        if way not in _WAYS:
            row.wrong(f'column "ways" holds "{way}".', f"Write some of: {'|'.join(_WAYS)}.")
    quota = row.whole("quota", 1, 10_000_000, required=False)
    minutes = row.whole("minutes", 1, _YEAR)
    return {
        "id": row.slug("id"),
        "ways": ways,
        "name": row.languages("name"),
        "description": row.languages("description", required=False),
        "duration": None if minutes is None else minutes * 60,
        "rate_down": row.whole("rate_down", 64, 10_000_000, required=False),
        "rate_up": row.whole("rate_up", 64, 10_000_000, required=False),
        "quota": None if quota is None else quota * _MEGABYTE,
        "devices": row.whole("devices", 1, 100, required=False),
        "extensions": row.whole("extensions", 0, 1000, required=False),
        "hours": _hours(row),
    }


def _hours(row: rows.Row) -> list[dict[str, Any]]:
    """Return the opening hours, written 1-5 08:00-18:30|6 09:00-12:00; 1 is Monday."""
    hours = []
    for part in row.several("hours"):
        found = _HOURS.fullmatch(part)
        if found is None or found[3] >= found[4]:
            row.wrong(f'column "hours" holds "{part}".', "Write days and times such as 1-5 08:00-18:30.")
            continue
        days = list(range(int(found[1]), int(found[2] or found[1]) + 1))
        if not days:
            row.wrong(f'column "hours" holds the days "{found[1]}-{found[2]}".', "Write the earlier day first.")
        hours.append({"days": days, "from": found[3], "to": found[4]})
    return hours
