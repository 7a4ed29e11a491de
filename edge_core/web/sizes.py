# SPDX-License-Identifier: EUPL-1.2
"""Amounts of data as each language writes them; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from babel.numbers import format_decimal

if TYPE_CHECKING:
    from edge_core.i18n import Language

_OCTETS = frozenset({"fr", "oc"})
_PREFIXES = ("", "k", "M", "G", "T")


def size(count: float, language: Language) -> str:
    """Return an amount of bytes, "1.2 GB" or "1,2 Go", to two figures or more."""
    step = 0
    while count >= 1000 and step < len(_PREFIXES) - 1:
        count, step = count / 1000, step + 1
    figures = "#,##0.#" if step and count < 10 else "#,##0"
    unit = "o" if language.code in _OCTETS else "B"
    return f"{format_decimal(count, figures, locale=language.locale)}\N{NO-BREAK SPACE}{_PREFIXES[step]}{unit}"
