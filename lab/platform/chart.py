# SPDX-License-Identifier: EUPL-1.2
"""Occupancy as inline SVG, drawn on the server: pure numbers in, markup out. Colours come from the style sheet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from lab.platform import words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    _Scale = Callable[[float], float]

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 260, 48, 12, 14, 32
_STEPS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000)


@dataclass(frozen=True)
class Window:
    """One window: `start` and `seconds` as reported; None where too few people were there to tell."""

    start: int
    seconds: int
    associated: int | None
    online: int | None


def draw(windows: Sequence[Window], *, title: str) -> Markup:
    """Draw associated people as an area and people online as a line, over time; gaps where a group was too small."""
    first, last = windows[0].start, max(windows[-1].start + windows[-1].seconds, windows[0].start + 1)
    top = max([w.associated or 0 for w in windows] + [w.online or 0 for w in windows] + [10])
    step = next((s for s in _STEPS if top / s <= 4), _STEPS[-1])
    ceiling = -(-top // step) * step

    def x(time: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (time - first) / (last - first)

    def y(people: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * people / ceiling

    parts = [
        Markup('<svg class="chart" viewBox="0 0 {} {}" role="img"><title>{}</title>').format(WIDTH, HEIGHT, title),
        *(_grid(y(people), people) for people in range(0, ceiling + 1, step)),
        *(_hour(x(time), time) for time in _marks(first, last)),
        *_runs(windows, "associated", x, y, floor=y(0)),
        *_runs(windows, "online", x, y, floor=None),
        Markup("</svg>"),
    ]
    return Markup("").join(parts)


def _grid(height: float, people: int) -> Markup:
    return Markup(
        '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
        '<text class="axis" x="{}" y="{:.1f}" text-anchor="end">{}</text>'
    ).format(LEFT, WIDTH - RIGHT, height, height, LEFT - 6, height + 4, people)


def _hour(place: float, time: float) -> Markup:
    anchor = "start" if place < LEFT + 1 else "end" if place > WIDTH - RIGHT - 1 else "middle"
    return Markup('<text class="axis" x="{:.1f}" y="{}" text-anchor="{}">{}</text>').format(
        place, HEIGHT - 8, anchor, words.clock(time)[:5]
    )


def _marks(first: float, last: float) -> list[float]:
    return [first + (last - first) * part / 4 for part in range(5)]


def _runs(windows: Sequence[Window], what: str, x: _Scale, y: _Scale, floor: float | None) -> list[Markup]:
    """One path for each run of windows that tell a number, drawn as steps: a window holds one number."""
    paths, run = [], []
    for window in [*windows, None]:
        people = getattr(window, what) if window else None
        if window and people is not None:
            run.append((x(window.start), x(window.start + window.seconds), y(people)))
        elif run:
            paths.append(_path(run, what, floor))
            run = []
    return paths


def _path(run: Sequence[tuple[float, float, float]], what: str, floor: float | None) -> Markup:
    steps = " ".join(f"L{start:.1f} {height:.1f}L{end:.1f} {height:.1f}" for start, end, height in run)
    if floor is None:
        return Markup('<path class="line {}" d="{}"/>').format(what, "M" + steps[1:])
    return Markup('<path class="area {}" d="M{:.1f} {:.1f}{}L{:.1f} {:.1f}Z"/>').format(
        what, run[0][0], floor, steps, run[-1][1], floor
    )
