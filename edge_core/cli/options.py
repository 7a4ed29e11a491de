# SPDX-License-Identifier: EUPL-1.2
"""The options that several commands have, each written once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

config = click.option(
    "--config",
    "config",
    envvar="PARVIS_CONFIG",
    required=True,
    type=click.Path(dir_okay=False),
    help="The device's configuration (TOML). Also by the environment's PARVIS_CONFIG.",
)
as_json: Callable[..., Any] = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


def print_json(value: Any) -> None:
    """Print a value for scripts, the same whether or not it is a terminal."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))
