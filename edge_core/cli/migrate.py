# SPDX-License-Identifier: EUPL-1.2
"""`parvis migrate`: the one command that changes the schema; the services start after it."""

from __future__ import annotations

import click

from edge_core import settings
from edge_core.cli import options
from edge_core.store import database


@click.command()
@options.config
def migrate(config: str) -> None:
    """Bring the device's database to this version's schema, or create it."""
    database.migrate(settings.load(config))
