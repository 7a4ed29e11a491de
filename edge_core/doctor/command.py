# SPDX-License-Identifier: EUPL-1.2
"""`parvis doctor`: every check of a role as a table, or JSON; status 1 where one failed."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape  # what was seen may hold brackets, such as [lan] interface
from rich.table import Table

from edge_core.cli import options
from edge_core.doctor import checks, gateways, kiosk, pair
from edge_core.settings import Settings, load

if TYPE_CHECKING:
    from edge_core.doctor.finding import Finding

_MARKS = {"ok": "[green]✔[/]", "warning": "[yellow]![/]", "failed": "[red]✘[/]"}


@click.command()
@click.argument("role", type=click.Choice(["gateway", "kiosk", "site"]), default="gateway")
@options.config
@options.as_json
def doctor(role: str, config: str, *, as_json: bool) -> None:
    """Look at this device as ROLE (gateway by default) and say what is wrong, why, and what mends it."""
    found = findings(role, load(config))
    if as_json:
        options.print_json([asdict(one) for one in found])
    else:
        table = Table("", "Check", "Seen", "Remedy", title=f"Parvis as {role}")
        for one in found:
            table.add_row(_MARKS[one.state], one.check, escape(one.seen), escape(one.remedy))
        Console().print(table)
    sys.exit(1 if any(one.state == "failed" for one in found) else 0)


def findings(role: str, settings: Settings) -> list[Finding]:
    """Run every check of a role, in the order in which a person would look."""
    chosen = list(checks.ALWAYS)
    if role in ("kiosk", "site"):
        chosen.insert(0, checks.kiosk)
    if role in ("gateway", "site"):
        enforced = settings.enforcement.mode == "nftables"
        chosen = [*(checks.GATEWAY if enforced else (checks.portal,)), *chosen]
    found = [check(settings) for check in chosen]
    if role in ("gateway", "site"):
        found += [*gateways.checks(settings), *pair.checks(settings)]
    return [*kiosk.checks(settings), *found] if role in ("kiosk", "site") else found
