# SPDX-License-Identifier: EUPL-1.2
"""`parvis session`: who is online now, and ending one session."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from edge_core import clock, control
from edge_core.cli import options
from edge_core.errors import ParvisError
from edge_core.settings import load
from edge_core.store import database, grants, usage

if TYPE_CHECKING:
    from edge_core.settings import Settings

_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")


@dataclass(frozen=True)
class _Row:
    """A session as the person reads it; the MAC stays on this device."""

    mac: str
    address: str
    session: str
    plan: str
    remaining_seconds: int
    up_bytes: int
    down_bytes: int
    zone: str


def mac_address(text: str) -> str:
    """Return a MAC address as the store has it. Raises ParvisError for anything else."""
    address = text.strip().lower().replace("-", ":")
    if not _MAC.fullmatch(address):
        raise ParvisError(f"{text!r} is not a MAC address.", remedy="Write it like aa:bb:cc:dd:ee:ff.")
    return address


@click.group()
def session() -> None:
    """Show who is online, or end a session."""


@session.command("list")
@options.config
@options.as_json
def list_(config: str, *, as_json: bool) -> None:
    """List the sessions that hold now."""
    rows = _rows(load(config))
    if as_json:
        options.print_json([vars(row) for row in rows])
        return
    table = Table("Device", "Address", "Zone", "Plan", "Time left", "Sent", "Received", title=f"{len(rows)} sessions")
    for row in rows:
        minutes, seconds = divmod(row.remaining_seconds, 60)
        table.add_row(
            row.mac,
            row.address,
            row.zone,
            row.plan,
            f"{minutes} min {seconds:02} s",
            _size(row.up_bytes),
            _size(row.down_bytes),
        )
    Console().print(table)


@session.command("end")
@options.config
@options.as_json
@click.argument("mac")
def end(config: str, mac: str, *, as_json: bool) -> None:
    """End the session of the device MAC, such as aa:bb:cc:dd:ee:ff; its open connections die at once."""
    settings, address = load(config), mac_address(mac)
    with closing(database.open_edge(settings.edge_db)) as connection:
        ended = grants.end(connection, address, "operator", clock.now())
    if ended is None:
        raise ParvisError(f"The device {address} has no session.", remedy="`parvis session list` shows those that do.")
    enforced = control.nudge(settings.agent_socket)
    if as_json:
        options.print_json({"session": ended.session, "ended": True, "enforced": enforced})
    elif enforced or settings.enforcement.mode == "none":
        click.echo(f"Session {ended.session} is over.")
    else:
        click.echo(f"Session {ended.session} is over in the store; the agent is away and enforces it when it is back.")


def _rows(settings: Settings) -> list[_Row]:
    """Return the sessions that hold; traffic as the agent counts it now, or as it wrote it down when it is away."""
    now = clock.now()
    with closing(database.open_edge(settings.edge_db)) as connection:
        recorded, held = usage.load(connection), grants.active(connection, now)
    answer = control.ask(settings.agent_socket, {"op": "status"}) or {}
    live = {row["mac"]: row for row in answer.get("sessions", [])}
    return [_row(grant, live.get(grant.mac), recorded.get(grant.id, usage.Usage()), now) for grant in held]


def _row(grant: grants.Grant, live: dict[str, Any] | None, recorded: usage.Usage, now: float) -> _Row:
    address, up, down = "", recorded.up_bytes, recorded.down_bytes
    if live:
        address, up, down = live["address"] or "", live["up_bytes"], live["down_bytes"]
    return _Row(grant.mac, address, grant.session, grant.plan, round(grant.remaining(now)), up, down, grant.zone)


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def summary(settings: Settings) -> dict[str, Any]:
    """Return how many sessions hold now, and their traffic."""
    rows = _rows(settings)
    return {
        "active": len(rows),
        "up_bytes": sum(row.up_bytes for row in rows),
        "down_bytes": sum(row.down_bytes for row in rows),
    }
