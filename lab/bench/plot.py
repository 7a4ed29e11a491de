# SPDX-License-Identifier: EUPL-1.2
"""Draws throughput against the number of guests as a small SVG: axes with names, lines with words and marks."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 640, 360, 64, 24, 150, 48
_STEPS = (1, 1_000, 15_000)
_STYLES = {
    "plain NAT": ("#555555", "6 4", "M -4 -4 L 4 4 M -4 4 L 4 -4"),
    "Parvis": ("#0b5d8a", "", "M 0 -5 A 5 5 0 1 1 -0.01 -5 Z"),
    "openNDS": ("#b3441e", "2 3", "M -5 -5 H 5 V 5 H -5 Z"),
}


def draw(folder: Path, packets: Mapping[str, Sequence[float]], ours: Sequence[int], peers: Sequence[int]) -> Path:
    """Write gateway.svg: thousands of small packets a second, medians of all rounds, of each gateway."""
    lines = {
        "plain NAT": [(count, statistics.median(packets["nat"])) for count in ours],
        "Parvis": [(count, statistics.median(packets[f"ours {count}"])) for count in ours],
        "openNDS": [
            (count, statistics.median(packets[f"peer {count}"])) for count in peers if f"peer {count}" in packets
        ],
    }
    top = max(value for points in lines.values() for _, value in points) * 1.1
    parts = [_frame(top), *(_line(name, points, top) for name, points in lines.items() if points)]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "gateway.svg"
    path.write_text("\n".join([*parts, "</svg>", ""]), encoding="utf-8")
    return path


def _x(count: int) -> float:
    return _LEFT + _STEPS.index(count) * (_WIDTH - _LEFT - _RIGHT) / (len(_STEPS) - 1)


def _y(value: float, top: float) -> float:
    return _HEIGHT - _BOTTOM - value / top * (_HEIGHT - _TOP - _BOTTOM)


def _frame(top: float) -> str:
    box = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" font-family="sans-serif" font-size="12" fill="#222222"'
    rows = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box}>',
        "<title>Small packets a second through the gateway, by the number of guests with a grant</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        '<text x="8" y="14">thousand packets/s (64 bytes)</text>',
        f'<text x="{_LEFT + 120}" y="{_HEIGHT - 8}">guests with a grant</text>',
    ]
    step = 100_000 if top > 250_000 else 50_000
    for value in range(0, int(top), step):
        y = _y(value, top)
        rows.append(f'<path d="M {_LEFT} {y:.1f} H {_WIDTH - _RIGHT}" stroke="#dddddd"/>')
        rows.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value // 1000}</text>')
    rows += [f'<text x="{_x(n):.1f}" y="{_HEIGHT - 28}" text-anchor="middle">{n:,}</text>' for n in _STEPS]
    return "\n".join(rows)


def _line(name: str, points: Sequence[tuple[int, float]], top: float) -> str:
    colour, dashes, mark = _STYLES[name]
    places = [(_x(count), _y(value, top)) for count, value in points]
    path = " L ".join(f"{x:.1f} {y:.1f}" for x, y in places)
    marks = "".join(f'<path transform="translate({x:.1f} {y:.1f})" d="{mark}"/>' for x, y in places)
    x, y = places[-1]
    return (
        f'<g stroke="{colour}" fill="none" stroke-width="2"><path d="M {path}" stroke-dasharray="{dashes}"/>{marks}</g>'
        f'<text x="{x + 10:.1f}" y="{y + (14 if name == "Parvis" else -4):.1f}" fill="{colour}">{name}</text>'
    )
