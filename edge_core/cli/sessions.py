# SPDX-License-Identifier: EUPL-1.2
"""`parvis sessions`: who is online now; ending, extending and blocking."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from edge_core import sessions as tending
from edge_core.cli import options
from edge_core.settings import load

if TYPE_CHECKING:
    from edge_core.settings import Settings


@click.group("sessions")
def sessions() -> None:
    """Show who is online; end or extend a session, or shut its device out."""


@sessions.command("list")
@options.config
@options.as_json
def list_(config: str, *, as_json: bool) -> None:
    """List the sessions that hold now."""
    rows = tending.rows(load(config))
    if as_json:
        options.print_json([vars(row) for row in rows])
        return
    table = Table("Device", "Address", "Zone", "Plan", "Time left", "Sent", "Received", title=f"{len(rows)} sessions")
    for row in rows:
        minutes, seconds = divmod(row.remaining_seconds, 60)
        left = f"{minutes} min {seconds:02} s"
        sizes = size(row.up_bytes), size(row.down_bytes)
        table.add_row(row.mac, row.address, row.zone, row.plan, left, *sizes)
    Console().print(table)


@sessions.command("end")
@options.config
@options.as_json
@click.argument("which", metavar="MAC|SESSION")
def end(config: str, which: str, *, as_json: bool) -> None:
    """End a session, by its device's MAC such as aa:bb:cc:dd:ee:ff or by its id; its open connections die at once."""
    settings = load(config)
    ended, enforced = tending.end(settings, which)
    if as_json:
        options.print_json({"session": ended.session, "ended": True, "enforced": enforced})
    else:
        click.echo(_told(settings, f"Session {ended.session} is over", enforced=enforced))


@sessions.command("extend")
@options.config
@options.as_json
@click.argument("which", metavar="MAC|SESSION")
@click.option(
    "--minutes", default=60, show_default=True, type=click.IntRange(1, tending.LONGEST), help="How much longer."
)
def extend(config: str, which: str, minutes: int, *, as_json: bool) -> None:
    """Let a session last longer; nothing that is open is cut."""
    settings = load(config)
    longer, enforced = tending.extend(settings, which, minutes)
    if as_json:
        told = {"session": longer.session, "expires_at": longer.expires_at, "enforced": enforced}
        options.print_json(told)
    else:
        click.echo(_told(settings, f"Session {longer.session} lasts {minutes} minutes longer", enforced=enforced))


@sessions.command("block")
@options.config
@options.as_json
@click.argument("which", metavar="MAC|SESSION")
def block(config: str, which: str, *, as_json: bool) -> None:
    """Shut out the device of a session, as `parvis block add` does: `parvis block remove` lets it in again."""
    mac, fresh = tending.block(load(config), which)
    if as_json:
        options.print_json({"device": mac, "blocked": True, "fresh": fresh})
    else:
        click.echo(f"{mac} is blocked, and its session over." if fresh else f"{mac} was blocked already.")


def _told(settings: Settings, what: str, *, enforced: bool) -> str:
    if enforced or settings.enforcement.mode == "none":
        return f"{what}."
    return f"{what} in the store; the agent is away and enforces it when it is back."


def size(count: float) -> str:
    """Return a number of bytes as people read it."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
