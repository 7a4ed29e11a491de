# SPDX-License-Identifier: EUPL-1.2
"""Puts the `parvis` command together: our own commands, and those that each service brings by an entry point."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

import click
from rich.console import Console

from edge_core import __version__
from edge_core.cli import migrate, run, session, status
from edge_core.cli.completion import completion
from edge_core.doctor.command import doctor
from edge_core.errors import ParvisError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="parvis")
def parvis() -> None:
    """Run and look after a business park's WiFi portal and reception kiosks."""


for command in (run.run, migrate.migrate, session.session, status.status, doctor, completion):
    parvis.add_command(command)


def main() -> None:
    """Run the command line; an error that we know is told in words and ends with status 1."""
    for point in entry_points(group="parvis.commands"):
        parvis.add_command(point.load(), point.name)
    try:
        parvis(prog_name="parvis")
    except ParvisError as error:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(f"[bold red]parvis:[/] {error.message}", markup=True)
        if error.remedy:
            console.print(f"  → {error.remedy}", markup=False)
        sys.exit(1)
