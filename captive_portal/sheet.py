# SPDX-License-Identifier: EUPL-1.2
"""Lays codes out on a page to print: one card each, with its QR code; pure. The page needs nothing from elsewhere."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import segno
from markupsafe import Markup

from edge_core import i18n
from edge_core.i18n import N_
from edge_core.web import dates, security

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edge_core.i18n import Language

_STYLE = Markup("""
@page { size: A4; margin: 10mm } body { font: 11pt/1.35 system-ui, sans-serif; margin: 0; color: #111 }
main { display: grid; grid-template-columns: 1fr 1fr; gap: 6mm }
article { border: .3mm dashed #999; border-radius: 3mm; padding: 4mm; display: grid; grid-template-columns: 30mm 1fr;
  gap: 4mm; break-inside: avoid } svg { width: 30mm; height: 30mm } h2 { font-size: 12pt; margin: 0 }
p { margin: 1mm 0 0 } .code { font: 700 15pt ui-monospace, monospace; letter-spacing: .06em; white-space: nowrap }
""")
_PAGE = Markup(
    '<!doctype html><html lang="{}"><meta charset="utf-8"><title>{}</title><style>{}</style><main>{}</main></html>\n'
)
_CARD = Markup('<article>{}<div><h2>{}</h2><p class="code">{}</p><p>{}</p><p>{}</p></div></article>')


def languages() -> dict[str, Language]:
    """Return our languages with the texts of the portal."""
    return i18n.load(Path(security.__file__).parent / "locales", Path(__file__).parent / "locales")


def lay_out(rows: Iterable[Mapping[str, str]], name: str, language: Language) -> str:
    """Return the page as HTML. A row has `code`, `url`, `seconds` and `valid_until` (ISO 8601)."""
    cards = Markup().join(_card(row, name, language) for row in rows)
    return str(_PAGE.format(language.code, f"WiFi · {name}", _STYLE, cards))


def _card(row: Mapping[str, str], name: str, language: Language) -> Markup:
    until = dates.parse(row["valid_until"])
    steps = language.gettext(N_("Join the WiFi of the park, then scan this square or write the code."))
    lasts = language.gettext(N_("For %(time)s from the first use on, to begin before %(day)s."))
    day = dates.full_day(until, language, year=True) if until else ""
    words = lasts % {"time": dates.duration(float(row["seconds"]), language), "day": day}
    return _CARD.format(_square(row["url"]), f"WiFi · {name}", row["code"], steps, words)


def _square(text: str) -> Markup:
    drawing = io.BytesIO()
    segno.make(text, error="m").save(
        drawing, kind="svg", xmldecl=False, svgns=True, omitsize=True, border=2, svgclass=None, lineclass=None
    )
    return Markup(drawing.getvalue().decode())  # noqa: S704 - drawn by the QR library from squares
