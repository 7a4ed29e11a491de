# SPDX-License-Identifier: EUPL-1.2
"""`python -m gateway_agent --config FILE` runs the agent; `setup` and `clear` are its oneshots."""

from __future__ import annotations

from pathlib import Path

import click

from edge_core import logs, memory, settings
from edge_core.errors import ParvisError
from gateway_agent import commands
from gateway_agent.daemon import Agent


@click.group(invoke_without_command=True)
@click.option("--config", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Configuration.")
@click.pass_context
def main(context: click.Context, config: Path | None) -> None:
    """Run the gateway agent, or one of its oneshots."""
    if context.invoked_subcommand is not None:
        return
    if config is None:
        raise click.UsageError("Give the configuration with --config FILE.")
    logs.configure("gateway-agent")
    memory.forbid_dumps()
    try:
        Agent(settings.load(config)).run()
    except ParvisError as error:
        raise click.ClickException(str(error)) from error
    except PermissionError as error:
        raise click.ClickException(
            f"The agent may not use the kernel's tables ({error.strerror}). Run it with CAP_NET_ADMIN, as root or so."
        ) from error


for _command in commands.gateway.commands.values():
    main.add_command(_command)

if __name__ == "__main__":
    main()
