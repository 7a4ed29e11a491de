# SPDX-License-Identifier: EUPL-1.2
"""Lays the weekly report out: one HTML file that needs nothing from elsewhere, and by Chromium the same as PDF."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from babel.numbers import format_decimal
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from edge_core import i18n
from edge_core.errors import ParvisError
from edge_core.i18n import N_
from edge_core.web import charts, dates, security

if TYPE_CHECKING:
    from edge_core.report.figures import Figures

_HERE = Path(__file__).parent
_WORDS = 20
_NAMES = {
    "room": N_("Meeting rooms"), "desk": N_("Desks"), "lunch": N_("Meals"), "bike": N_("Bikes"), "ad": N_("Small ads"),
    "message": N_("Messages"), "event": N_("Seats at events"), "other": N_("Other requests"),
    "main": N_("The park’s WiFi"),
    "good": N_("Satisfied"), "fair": N_("Neither nor"), "poor": N_("Not satisfied"),
}  # fmt: skip
"""What people call the contract's words."""
_SECONDS = 120


def html(figures: Figures, *, name: str, since: float, until: float, code: str = i18n.DEFAULT) -> str:
    """Return the report on a park called `name` of the time from `since` to `until`, in the language `code`."""
    language = i18n.load(Path(security.__file__).parent / "locales", _HERE / "locales")[code]
    env = Environment(
        loader=PackageLoader("edge_core.report"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.install_gettext_callables(language.gettext, language.ngettext, newstyle=True)  # type: ignore[attr-defined]
    first, last = dates.here(since), dates.here(until - 1)
    hours = [(str(hour), figures.by_hour.get(hour, 0.0)) for hour in range(6, 23)] if figures.by_hour else []
    places = sorted(figures.by_place.items(), key=lambda each: -each[1][0])
    return env.get_template("report.html").render(
        figures=figures,
        name=name,
        call=lambda word: language.gettext(_NAMES[word]) if word in _NAMES else word,
        number=lambda value, digits: format_decimal(round(value, digits), locale=language.locale),
        language=language,
        first=dates.full_day(first, language, year=True),
        last=dates.full_day(last, language, year=True),
        hours=charts.columns(language.gettext("Presence by hour"), hours),
        places=places,
        words=sorted(figures.words.items(), key=lambda each: (-each[1], each[0]))[:_WORDS],
        made=dates.full_day(datetime.now(UTC), language, year=True),
    )


def pdf(page: str, target: Path) -> None:
    """Write a page as PDF. Raises ParvisError where there is no Chromium, or it fails."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise ParvisError(
            f"{target}: Chromium, which makes PDFs, is not installed here.",
            remedy="apt install chromium, or print the HTML file from any browser.",
        )
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "report.html", Path(folder) / "report.pdf"
        source.write_text(page, encoding="utf-8")
        words = [
            program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            f"--user-data-dir={folder}/profile", "--no-pdf-header-footer", f"--print-to-pdf={made}", source.as_uri(),
        ]  # fmt: skip
        try:
            subprocess.run(words, capture_output=True, timeout=_SECONDS, check=True)
            target.write_bytes(made.read_bytes())
        except (OSError, subprocess.SubprocessError) as error:
            raise ParvisError(f"{target}: the PDF could not be made.", remedy="Print the HTML file instead.") from error
