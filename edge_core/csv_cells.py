# SPDX-License-Identifier: EUPL-1.2
"""Writes CSV that a spreadsheet shows and never runs (OWASP: CSV injection), by RFC 4180."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")


def cell(value: Any) -> str:
    """Return a value as a cell; a text that a spreadsheet would take for a formula gets an apostrophe before it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    text = "".join(letter if letter.isprintable() else " " for letter in str(value))
    return f"'{text}" if text.lstrip().startswith(_DANGEROUS) or str(value).startswith(_DANGEROUS) else text


def write(file: TextIO, names: Sequence[str], rows: Iterable[dict[str, Any]]) -> int:
    """Write a head and rows; return how many rows."""
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(names)
    count = 0
    for row in rows:
        writer.writerow([cell(row[name]) for name in names])
        count += 1
    return count
