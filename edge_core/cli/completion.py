# SPDX-License-Identifier: EUPL-1.2
"""`parvis completion`: the lines that teach a shell to complete our commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of SHELL.

    For bash: parvis completion bash > ~/.local/share/bash-completion/completions/parvis
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.ClickException(f"no completion for {shell}")
    click.echo(kind(context.find_root().command, {}, "parvis", "_PARVIS_COMPLETE").source())
