# SPDX-License-Identifier: EUPL-1.2
"""Charts as SVG by leather, which is imported here only; they hold no script and no style."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import leather
from markupsafe import Markup, escape

from edge_core.web import dates

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = 360, 190
_LEAST_POINTS = 2
_FONT = "system-ui, sans-serif"
_TOP = re.compile(r'<svg width="(\d+)" height="(\d+)"')


def line(title: str, *series: Sequence[tuple[float, float | None]], names: Sequence[str] = ()) -> Markup | None:
    """Return a chart of values over time (seconds since 1970), which may have gaps; None with too few to draw."""
    drawn = [[(_moment(at), value) for at, value in each if value is not None] for each in series]
    if all(len(each) < _LEAST_POINTS for each in drawn):
        return None
    chart = leather.Chart()
    top = max(value for each in drawn for _, value in each)
    chart.add_y_scale(0, top * 1.1 if top > 0 else 1)
    first, last = min(each[0][0] for each in drawn if each), max(each[-1][0] for each in drawn if each)
    ticks = [first, first + (last - first) / 2, last]
    chart.add_x_axis(ticks=ticks, tick_formatter=lambda moment, *_: _shown(moment))
    chart.add_y_axis(tick_formatter=lambda value, *_: f"{value:g}")
    for number, each in enumerate(drawn):
        if len(each) >= _LEAST_POINTS:
            chart.add_line(each, name=names[number] if names else None, stroke_color=_COLOURS[number % 2], width=2)
    return framed(chart, title, WIDTH, HEIGHT)


_COLOURS = ("#0e5a5f", "#e39a3b")


def columns(title: str, values: Sequence[tuple[str, float]], *, width: int = 720, height: int = 260) -> Markup | None:
    """Return a chart of one column for each (name, value); None where there is nothing to draw."""
    if not values:
        return None
    chart = leather.Chart()
    chart.add_y_scale(0, max(1.0, 1.1 * max(value for _, value in values)))
    chart.add_y_axis(tick_formatter=lambda value, *_: f"{value:g}")
    chart.add_columns([(name, value) for name, value in values], fill_color=_COLOURS[0])
    return framed(chart, title, width, height)


def framed(chart: leather.Chart, title: str, width: int, height: int) -> Markup:
    """Return a chart as an SVG that grows with its page and says to readers of screens what it shows."""
    head = rf'<svg viewBox="0 0 \1 \2" role="img" aria-label="{escape(title)}"'
    svg = _TOP.sub(head, chart.to_svg(width=width, height=height), count=1)
    # The data are numbers and our own words; the theme's colours and fonts are made ours.
    svg = svg.replace('font-family="Monaco"', f'font-family="{_FONT}"').replace('fill="#9c9c9c"', 'fill="#51616a"')
    return Markup(svg.replace('fill="#f9f9f9"', 'fill="none"'))  # noqa: S704  leather escapes names


def _moment(at: float) -> datetime:
    """Return the moment as leather can compare it: UTC, without saying so."""
    return datetime.fromtimestamp(at, UTC).replace(tzinfo=None)


def _shown(moment: datetime) -> str:
    return dates.here(moment.replace(tzinfo=UTC).timestamp()).strftime("%H:%M")
