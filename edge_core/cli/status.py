# SPDX-License-Identifier: EUPL-1.2
"""`parvis status`: what this device does now, in one screen."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edge_core import __version__, clock, control, gateways_heard, sessions
from edge_core.cli import guarding, options
from edge_core.settings import load
from edge_core.store import database, outbox
from edge_core.store.replica import Replica

if TYPE_CHECKING:
    from edge_core.settings import Settings


@click.command()
@options.config
@options.as_json
def status(config: str, *, as_json: bool) -> None:
    """Show sessions, guests, content and the loss account of this device."""
    settings = load(config)
    facts = gather(settings)
    if as_json:
        options.print_json(facts)
        return
    title = f"{escape(settings.site.name)} · {settings.device.id} · Parvis {__version__}"
    table = Table(show_header=False, title=title)
    guests = facts["guests"]
    table.add_row("Agent", "runs" if facts["agent"] else "[yellow]away: rules stay, nobody new gets through[/]")
    table.add_row(
        "Guests", f"{guests['online']} online of {guests['present']} present" if facts["agent"] else "unknown"
    )
    for name, zone in facts["zones"].items() if len(facts["zones"]) > 1 else ():
        told = f"{zone['online']} online of {zone['guests']} present, {zone['grants']} sessions"
        table.add_row(f"… in {name}", told)
    table.add_row("Sessions", str(facts["sessions"]["active"]))
    table.add_row("Content", f"version {facts['content']}" if facts["content"] else "[yellow]none yet[/]")
    events = facts["events"]
    table.add_row(
        "Events",
        f"{events['created']} created, {events['acked']} acknowledged, {events['pending']} pending,"
        f" {events['dropped']} dropped",
    )
    told = (
        f"told to guests: {facts['announced']}"
        if facts["announced"]
        else f"[yellow]not told: {escape(facts['certificate'])}[/]"
    )
    table.add_row("Portal's API", told)
    table.add_row(
        "Refused", ", ".join(f"{name} {count}" for name, count in facts["refused"].items() if count) or "nothing"
    )
    if facts["active"] is not None:
        table.add_row("Pair", "has the guests' addresses" if facts["active"] else "stands by")
    for name, gateway in facts["gateways"].items():
        told = "[red]has another key[/]" if gateway["other_key"] else f"heard {gateway['seconds']} s ago"
        table.add_row(f"Gateway {name}", told)
    for rogue in facts["rogues"]:
        table.add_row("Rogue", f"[yellow]{rogue['mac']} plays {rogue['kind']}: {rogue['packets']} packets[/]")
    Console().print(table)


def gather(settings: Settings) -> dict[str, Any]:
    """Return what `parvis status --json` prints."""
    with closing(database.open_edge(settings.edge_db)) as connection:
        epoch, account = outbox.epoch(connection), outbox.account(connection)
    answer = control.ask(settings.agent_socket, {"op": "counts"}) or {}
    return {
        "version": __version__,
        "site": settings.site.id,
        "device": settings.device.id,
        "agent": bool(answer.get("ok")),
        "guests": {"present": answer.get("guests", 0), "online": answer.get("online", 0)},
        "zones": answer.get("zones", {}),
        "sessions": sessions.summary(settings, answer),
        "content": Replica(settings.content_db).version(),
        "epoch": epoch,
        "gateways": {
            name: {"seconds": max(0, round(clock.now() - each.at)), "other_key": each.other_key}
            for name, each in gateways_heard.read(settings).items()
        },
        "events": asdict(account),
        **guarding.gather(settings, answer),
    }
