# SPDX-License-Identifier: EUPL-1.2
"""`parvis logs`: what this device's processes said, from systemd's journal."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.text import Text

from edge_core.support import journal
from edge_core.web import dates

if TYPE_CHECKING:
    from edge_core.support.journal import Line

_COLOURS = {"warning": "yellow", "error": "red", "critical": "bold red", "debug": "dim"}


@click.command()
@click.option("--process", help="Only of this process, such as agent, portal, sync.")
@click.option("--level", type=click.Choice(journal.LEVELS), default="debug", help="Only of this level or worse.")
@click.option("--since", default="", metavar="TIME", help="As journalctl takes it: today, -2h, 2030-05-21 08:00.")
@click.option("--lines", default=200, show_default=True, type=click.IntRange(1, 1_000_000), help="At most so many.")
@click.option("--follow", is_flag=True, help="Go on with what comes.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line, for scripts.")
def logs(*, process: str | None, level: str, since: str, lines: int, follow: bool, as_json: bool) -> None:
    """Show what the processes of this device said, newest last."""
    console, shown = Console(highlight=False, soft_wrap=True), 0
    for line in journal.read(since=since, count=lines, follow=follow):
        if not _is_wanted(line, process, level):
            continue
        shown += 1
        if as_json:
            click.echo(json.dumps(asdict(line), ensure_ascii=False))
        else:
            console.print(as_text(line))
    if not shown and not as_json:
        click.echo("Nothing was said that matches. Wider: an earlier --since, a lower --level, no --process.")


def _is_wanted(line: Line, process: str | None, level: str) -> bool:
    if process and process not in (line.process, line.unit, line.unit.removeprefix("parvis-")):
        return False
    return journal.LEVELS.index(line.level or "info") >= journal.LEVELS.index(level)


def as_text(line: Line) -> Text:
    """Return a line as people read it: time, process, what happened, its fields."""
    colour = _COLOURS.get(line.level, "")
    shown = Text(dates.here(line.at).strftime("%d/%m %H:%M:%S"), style="dim")
    shown.append(f"  {line.process or line.unit.removeprefix('parvis-'):<10}", style="cyan")
    shown.append(f"  {_printable(line.event.replace('_', ' ') or line.text)}", style=colour)
    for name, value in line.fields.items():
        if name != "module":
            shown.append(f"  {_printable(name)}=", style="dim").append(_printable(value))
    return shown


def _printable(text: str) -> str:
    """Return a text that can't steer the terminal."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
