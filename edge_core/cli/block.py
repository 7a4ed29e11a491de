# SPDX-License-Identifier: EUPL-1.2
"""`parvis block`: the devices that may do nothing here."""

from __future__ import annotations

from contextlib import closing

import click

from edge_core import clock, control, gateway_key
from edge_core.cli import options
from edge_core.errors import ParvisError
from edge_core.sessions import mac_address, whole
from edge_core.settings import load
from edge_core.store import database, followed, site


@click.group()
def block() -> None:
    """Shut a device out, let it in again, or show who is out."""


@block.command()
@options.config
@click.argument("mac")
def add(config: str, mac: str) -> None:
    """Shut out the device MAC: its session ends, and it gets neither the portal nor names."""
    settings, address = load(config), mac_address(mac)
    with closing(database.open_edge(settings.edge_db)) as store:
        fresh = followed.block(store, address, clock.now(), whole(settings))
    control.nudge(settings.agent_socket)
    click.echo(f"{address} is blocked." if fresh else f"{address} was blocked already.")


@block.command()
@options.config
@click.argument("mac")
def remove(config: str, mac: str) -> None:
    """Let the device MAC in again."""
    settings, address = load(config), mac_address(mac)
    with closing(database.open_edge(settings.edge_db)) as store:
        known = followed.unblock(store, address, whole(settings))
    if not known:
        raise ParvisError(f"{address} is not blocked.", remedy="`parvis block list` shows who is.")
    control.nudge(settings.agent_socket)
    click.echo(f"{address} may come back.")


@block.command("list")
@options.config
@options.as_json
def list_(config: str, *, as_json: bool) -> None:
    """Show who is shut out."""
    settings = load(config)
    with closing(database.open_edge(settings.edge_db)) as store:
        found = sorted(followed.blocked(store, gateway_key.load(settings)))
        elsewhere = sum(1 for word in site.blocks(store) if word.blocked) - len(found)
    if as_json:
        options.print_json(found)
        return
    click.echo("\n".join(found) if found else "Nobody is blocked here.")
    if elsewhere > 0:
        click.echo(f"And {elsewhere} by other gateways of the site, which tell no addresses.")
