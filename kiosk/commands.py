# SPDX-License-Identifier: EUPL-1.2
"""`parvis desk`: who may open the reception desk, with which badge, and the proof that old visits are gone."""

from __future__ import annotations

import secrets
from contextlib import closing
from datetime import UTC, datetime

import click
import segno

from edge_core import clock, passwords, site_codes
from edge_core.cli import options
from edge_core.errors import ParvisError
from edge_core.settings import load
from edge_core.store import database, desk_users, erasure
from edge_core.store.vouchers import ALPHABET
from kiosk import codes

_LONGEST_NAME, _BADGE_LENGTH = 60, 16


@click.group()
def desk() -> None:
    """Look after the reception desk of this kiosk."""


@desk.group()
def user() -> None:
    """Say who may sign in at the reception desk."""


@user.command()
@options.config
@click.argument("name")
@click.password_option(help="The password; asked for twice where it isn't given.")
def add(config: str, name: str, password: str) -> None:
    """Let NAME sign in, or give NAME a new password; open sessions of that name end."""
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise ParvisError(f"{name!r} can't be a name.", remedy=f"Write 1 to {_LONGEST_NAME} printable characters.")
    if len(password) < passwords.LEAST:
        raise ParvisError(
            f"The password has {len(password)} characters.", remedy=f"Take {passwords.LEAST} or more: a few words do."
        )
    with closing(database.open_edge(load(config).edge_db)) as connection:
        desk_users.add(connection, name.strip(), passwords.make(password), clock.now())
    click.echo(f"{name.strip()} may sign in.")


@user.command()
@options.config
@click.argument("name")
def badge(config: str, name: str) -> None:
    """Make a badge that opens the desk on the kiosk's screen. It is told here and never again."""
    settings = load(config)
    code = "".join(secrets.choice(ALPHABET) for _ in range(_BADGE_LENGTH))
    with closing(database.open_edge(settings.edge_db)) as connection:
        if not desk_users.give_badge(connection, name, code):
            raise _unknown(name)
    text = codes.write(settings.site.id, codes.STAFF, code)
    segno.make(text, error="m", micro=False).terminal(compact=True)
    click.echo(f"Scan it at the kiosk, or type {site_codes.spoken(code)}. An earlier badge of {name} is worthless now.")


@user.command()
@options.config
@click.argument("name")
def remove(config: str, name: str) -> None:
    """Let NAME sign in no more; open sessions end at once."""
    with closing(database.open_edge(load(config).edge_db)) as connection:
        if not desk_users.remove(connection, name):
            raise _unknown(name)
    click.echo(f"{name} may not sign in any more.")


@user.command("list")
@options.config
@options.as_json
def list_(config: str, *, as_json: bool) -> None:
    """Show who may sign in."""
    with closing(database.open_edge(load(config).edge_db)) as connection:
        found = desk_users.names(connection)
    if as_json:
        options.print_json(found)
    else:
        click.echo("\n".join(found) or "Nobody. `parvis desk user add NAME` lets somebody in.")


@desk.command()
@options.config
@options.as_json
def erasures(config: str, *, as_json: bool) -> None:
    """Show how many visits were erased and when, and whether anybody changed that list."""
    with closing(database.open_edge(load(config).edge_db)) as connection:
        found = erasure.lines(connection)
    if as_json:
        options.print_json({"whole": erasure.check(found), "lines": [vars(line) for line in found]})
        return
    for line in found:
        at, before = (
            datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M") for moment in (line.at, line.before)
        )
        count = f"{line.visits} {'visit' if line.visits == 1 else 'visits'}"
        click.echo(f"{line.n}  {at} UTC  {count} not changed since {before}  {line.digest[:16]}")
    click.echo("The list is whole." if erasure.check(found) else "The list was changed by somebody: it proves nothing.")


def _unknown(name: str) -> ParvisError:
    return ParvisError(f"There is no user {name}.", remedy="`parvis desk user list` shows who there is.")
