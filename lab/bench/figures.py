# SPDX-License-Identifier: EUPL-1.2
"""What a measure is: a value of this run beside what it is compared with; how it is shown and kept."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    `spread` is [low, high] of the same run: quartiles of a median, extremes of few rounds; None for a single reading.
    `peer` is what the comparable program was measured at, `limit` what the machine or the bare technique gives, each in
    the same unit and None where nothing is comparable. `goal` is what we want: at most, or at least where `more` is
    better.
    """

    figure: str
    value: float
    unit: str
    spread: tuple[float, float] | None = None
    peer: float | None = None
    limit: float | None = None
    goal: float | None = None
    more: bool = False

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer; below 1 it is worse."""
        if not self.peer or not self.value:
            return None
        return round(self.value / self.peer if self.more else self.peer / self.value, 2)

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.more else self.value <= self.goal

    def record(self) -> dict[str, Any]:
        """Return it as it is kept in JSON."""
        kept = asdict(self)
        kept.pop("more")
        return {**kept, "ratio": self.ratio, "met": self.met}


def percentile(values: Sequence[float], part: float) -> float:
    """Return the value below which `part` (0 to 1) of the values lie, between neighbours by proportion."""
    ordered = sorted(values)
    place = part * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def median(figure: str, values: Sequence[float], unit: str, **compared: Any) -> Figure:
    """Return the median of values with its quartiles."""
    spread = (round(percentile(values, 0.25), 2), round(percentile(values, 0.75), 2))
    return Figure(figure, round(statistics.median(values), 2), unit, spread, **compared)


def show(name: str, figures: Sequence[Figure], console: Console) -> None:
    """Print the table."""
    table = Table(title=f"bench {name}", title_justify="left")
    table.add_column("figure", no_wrap=True)
    for column in ("value", "spread", "peer", "limit", "times better", "goal"):
        table.add_column(column, justify="right")
    for one in figures:
        spread = f"{one.spread[0]:g} to {one.spread[1]:g}" if one.spread else ""
        rest = ["" if value is None else f"{value:g}" for value in (one.peer, one.limit, one.ratio, one.goal)]
        style = {True: "green", False: "red", None: ""}[one.met]
        table.add_row(one.figure, f"{one.value:g} {one.unit}", spread, *rest, style=style)
    console.print(table)


def tell(figures: Sequence[Figure]) -> None:
    """Print figures as they become known, so that a long measure that is cut short has said what it knew."""
    for one in figures:
        beside = [
            f"{name} {value:g}" for name in ("peer", "limit", "goal") if (value := getattr(one, name)) is not None
        ]
        print(f"  {one.figure}: {one.value:g} {one.unit} {', '.join(beside)}".rstrip(), flush=True)


def keep(file: Path, figures: Sequence[Figure]) -> None:
    """Write the figures as JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        json.dumps([one.record() for one in figures], indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
