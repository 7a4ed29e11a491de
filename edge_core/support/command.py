# SPDX-License-Identifier: EUPL-1.2
"""`parvis support-bundle`: one file to send to whoever helps."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from edge_core import clock
from edge_core.cli import options
from edge_core.settings import load
from edge_core.support import bundle
from edge_core.web import dates

_HELD = {
    "versions.json": "versions of Parvis, the system and what it uses",
    "settings.json": "the settings, secrets struck out",
    "doctor.json": "every check of `parvis doctor`",
    "status.json": "what `parvis status` shows",
    "store.json": "the loss account, and how many rows each table has",
    "hardware.json": "temperature, voltage, disk and its wear",
    "journal.json": "which events the processes logged, with their numbers",
}


@click.command("support-bundle")
@click.argument("role", type=click.Choice(["gateway", "kiosk", "site"]), default="gateway")
@options.config
@options.as_json
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write (.tar.gz).")
def support_bundle(role: str, config: str, output: Path | None, *, as_json: bool) -> None:
    """Write what support needs to know of this device as ROLE, without anything personal or secret."""
    settings, now = load(config), clock.now()
    name = f"parvis-support-{settings.device.id}-{dates.here(now):%Y%m%d-%H%M}.tar.gz"
    target = output or Path(name)
    parts = bundle.gather(role, settings)
    bundle.write(target, parts, now)
    failed = {name: part["not_gathered"] for name, part in parts.items() if "not_gathered" in part}
    if as_json:
        options.print_json({"file": str(target), "parts": list(parts), "not_gathered": failed})
        return
    table = Table("File", "What it holds", title=f"{target} ({target.stat().st_size / 1000:.0f} kB)")
    for part, what in _HELD.items():
        table.add_row(part, f"[yellow]not gathered:[/] {failed[part]}" if part in failed else what)
    Console().print(table)
    click.echo("It holds no name, address, code or secret. It is not sent anywhere: give it to whoever helps you.")
