# SPDX-License-Identifier: EUPL-1.2
"""The commands of the gateway: set it up, take everything back. `parvis gateway …` and `python -m gateway_agent …`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edge_core import leftovers, logs, settings
from edge_core.errors import ParvisError
from gateway_agent import takeover
from gateway_agent.advertiser import Advertiser
from gateway_agent.legal_recorder import Recorder

config_option = click.option(
    "--config",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The gateway's configuration.",
)


@click.group()
def gateway() -> None:
    """Prepare this machine as a gateway, or take that back."""


@gateway.command()
@config_option
def setup(config: Path) -> None:
    """Load the rules (closed), set addresses and kernel settings, write dnsmasq's configuration."""
    logs.configure("gateway-setup")
    try:
        takeover.setup(settings.load(config))
    except ParvisError as error:
        raise click.ClickException(str(error)) from error


@gateway.command()
@config_option
def advertise(config: Path) -> None:
    """Tell guests of the gateway until ended: router advertisements, and the portal's address (RFC 8910)."""
    logs.configure("advertiser")
    try:
        Advertiser(settings.load(config)).run()
    except ParvisError as error:
        raise click.ClickException(str(error)) from error


@gateway.command()
@config_option
def record(config: Path) -> None:
    """Keep the legal record until ended; the agent starts and watches this by itself."""
    logs.configure("legal-recorder")
    try:
        Recorder(settings.load(config)).run()
    except ParvisError as error:
        raise click.ClickException(str(error)) from error


@gateway.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Answer with JSON.")
def clear(config: Path, *, as_json: bool) -> None:
    """Take back the rules, addresses and kernel settings that Parvis changed. Stop Parvis before."""
    logs.configure("gateway-clear")
    try:
        configured = settings.load(config)
        _refuse_while_running(configured)
        left = takeover.clear(configured)
    except ParvisError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps({"cleared": not left, "left": left}))
    else:
        click.echo("\n".join(left or ["Rules, addresses and kernel settings are as before."]))
    if left:
        raise click.exceptions.Exit(1)


def _refuse_while_running(configured: settings.Settings) -> None:
    """Refuse to clear under an agent that would put its rules back, over addresses that are gone."""
    for role in ("gateway", "site"):
        for pid in leftovers.alive(configured.run_dir / f"{role}.run"):
            raise ParvisError(
                f"`parvis run {role}` (process {pid}) is still at work on this gateway.",
                remedy="End it first (Ctrl-C).",
            )
