# SPDX-License-Identifier: EUPL-1.2
"""Tells the story: live on a terminal, as a plain log elsewhere. Reads nothing, decides nothing."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from lab.demo.story import Outcome, State

_SIGNS: dict[State, tuple[str, str]] = {
    "running": ("…", "cyan"),
    "true": ("✔", "green"),
    "failed": ("✘", "bold red"),
    "skipped": ("-", "yellow"),
}
_FOOT_LINES = 6  # the totals, their frame, and air
_WORDS: dict[State, str] = {"running": "....", "true": "ok", "failed": "FAILED", "skipped": "skipped"}


@dataclass(frozen=True)
class Totals:
    """What the bottom line says: the loss account of all devices, and who is there."""

    created: int = 0
    acked: int = 0
    pending: int = 0
    dropped: int = 0
    guests: int = 0
    online: int = 0

    @property
    def balanced(self) -> bool:
        """Whether every event is accounted for."""
        return self.created == self.acked + self.pending + self.dropped


@dataclass
class Teller:
    """An audience of the story that passes it on to a person."""

    totals: Callable[[], Totals]
    console: Console = field(default_factory=Console)
    outcomes: list[Outcome] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    _live: Live | None = None
    _settled: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        """Begin the live picture on a terminal."""
        if self.console.is_terminal:
            self._live = Live(get_renderable=self._picture, console=self.console, refresh_per_second=4)
            self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last picture standing."""
        if self._live:
            self._live.stop()

    def begins(self, outcome: Outcome) -> None:
        """Show the step as running."""
        with self._lock:
            self.outcomes.append(outcome)

    def ends(self, outcome: Outcome) -> None:
        """Show how it went."""
        if self._live:
            self._live.refresh()
            return
        line = f"{_WORDS[outcome.state]:>7} {_time(outcome)}  {outcome.step.title}"
        self._plain(f"{line}: {outcome.detail}" if outcome.detail else line)
        for log in outcome.logs:
            self._plain(f"                      see {log}")

    def note(self, text: str) -> None:
        """Say a sentence between the steps."""
        if self._live:
            self._live.console.print(text, highlight=False)
        else:
            self._plain(text)

    def told(self, links: dict[str, str]) -> None:
        """Leave the whole story standing, then show totals and where to look."""
        if self._live:
            self._live.console.print(_table(self.outcomes))
            self._settled, self.links = True, links
            return
        self._plain(_account(self.totals()))
        for name, address in links.items():
            self._plain(f"        {name:<9} {address}")

    def _plain(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _picture(self) -> Group:
        with self._lock:
            # A terminal may be lower than the story is long: the latest steps, above the totals.
            outcomes = [] if self._settled else self.outcomes[-max(3, self.console.height - _FOOT_LINES) :]
        totals = Panel(_account(self.totals()), title="Totals", title_align="left")
        parts: list[Table | Panel] = [_table(outcomes, one_line=True), totals]
        if self.links:
            grid = Table.grid(padding=(0, 2))
            for name, address in self.links.items():
                grid.add_row(name, Text(address, style=f"link {address} bold" if "://" in address else "bold"))
            parts.append(Panel(grid, title="Open these; Ctrl-C ends it all", title_align="left"))
        return Group(*parts)


def _time(outcome: Outcome) -> str:
    return f"{outcome.milliseconds:8.0f} ms" if outcome.milliseconds else " " * 11


def _table(outcomes: Iterable[Outcome], *, one_line: bool = False) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=1)
    table.add_column(justify="right", width=11)
    table.add_column(ratio=2, no_wrap=one_line)
    table.add_column(ratio=3, style="dim", no_wrap=one_line)
    for outcome in outcomes:
        sign, style = _SIGNS[outcome.state]
        detail = Text(outcome.detail, style="red" if outcome.state == "failed" else "")
        for log in () if one_line else outcome.logs:
            detail.append(f"\nsee {log}")
        table.add_row(Text(sign, style=style), _time(outcome), Text(outcome.step.title), detail)
    return table


def _account(totals: Totals) -> str:
    sign = "=" if totals.balanced else "≠"
    return (
        f"created {totals.created} {sign} acked {totals.acked} + pending {totals.pending} + dropped {totals.dropped}"
        f"   ·   phones here {totals.guests}, online {totals.online}"
    )
