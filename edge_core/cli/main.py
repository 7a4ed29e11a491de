# SPDX-License-Identifier: EUPL-1.2
"""Puts the `parvis` command together: our own commands, and those that each service brings by an entry point."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

import click
from rich.console import Console

from edge_core import __version__, logs
from edge_core.cli import block, journal, migrate, opendata, reload, run, sessions, status
from edge_core.cli.completion import completion
from edge_core.doctor.command import doctor
from edge_core.errors import ParvisError, ProcessError
from edge_core.report.command import report
from edge_core.support.command import support_bundle


class _WithServices(click.Group):
    """A group that imports a service's command only when it is called, so that each command starts fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *(point.name for point in entry_points(group="parvis.commands"))})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        if own:
            return own
        for point in entry_points(group="parvis.commands", name=cmd_name):
            try:
                command: click.Command = point.load()
            except ImportError as error:
                raise ProcessError(
                    f"`parvis {cmd_name}` needs the Python module {error.name}, which is not installed here.",
                    remedy="Install the parts of it that publish content: pip install 'parvis[publish]'.",
                ) from error
            return command
        return None


@click.group(cls=_WithServices, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="parvis")
def parvis() -> None:
    """Run and look after a business park's WiFi portal and reception kiosks."""


for _command in (
    run.run,
    reload.reload,
    block.block,
    migrate.migrate,
    sessions.sessions,
    journal.logs,
    report,
    support_bundle,
    status.status,
    opendata.opendata,
    doctor,
    completion,
):
    parvis.add_command(_command)
parvis.add_command(sessions.sessions, "session")  # as it was called first


def main() -> None:
    """Run the command line; an error that we know is told in words and ends with status 1."""
    logs.configure("parvis")  # on standard error: what is printed is for people, or for scripts
    try:
        parvis(prog_name="parvis")
    except ParvisError as error:
        console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
        console.print("parvis: ", style="bold red", end="")
        console.print(error.message)
        if error.remedy:
            console.print(f"  → {error.remedy}")
        sys.exit(1)
