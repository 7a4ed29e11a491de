# SPDX-License-Identifier: EUPL-1.2
"""`parvis management`: the password of the device page."""

from __future__ import annotations

import click

from edge_core import passwords
from edge_core.cli import options
from edge_core.errors import ParvisError, StoreError
from edge_core.settings import load
from management import keeper


@click.group()
def management() -> None:
    """Look after the device page."""


@management.command()
@options.config
@click.password_option(help="The password; asked for twice where it isn't given.")
def password(config: str, password: str) -> None:
    """Set the password of the device page; who is signed in stays so until the session ends."""
    settings = load(config)
    if len(password) < passwords.LEAST:
        raise ParvisError(
            f"The password has {len(password)} characters.", remedy=f"Take {passwords.LEAST} or more: a few words do."
        )
    try:
        keeper.set_password(settings, password)
    except OSError as error:
        raise StoreError(
            f"{keeper.file_of(settings)}: can't be written ({error.strerror}).", remedy="Run this as root."
        ) from error
    listen = settings.management.listen
    click.echo(
        f"The device page is at {listen[0]}, port {listen[1]}."
        if listen
        else "The password is set. The page is off: [management] listen gives it an address."
    )
