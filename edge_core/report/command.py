# SPDX-License-Identifier: EUPL-1.2
"""`parvis report`: the week of the park, for those who manage it."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import click

from edge_core import clock, i18n
from edge_core.cli import options
from edge_core.errors import ParvisError
from edge_core.report import document, figures, sources
from edge_core.settings import load
from edge_core.store import database, outbox
from edge_core.web import dates

_DAY = click.DateTime(formats=["%Y-%m-%d"])
_FILE: click.Path = click.Path(dir_okay=False, path_type=Path)


@click.command()
@options.config
@click.option(
    "--from", "first", type=click.DateTime(formats=["%Y-%m-%d"]), help="First day; default: the last whole week."
)
@click.option("--events", type=_FILE, help="A platform's events, one CloudEvent as JSON a line; else this device's.")
@click.option("--output", required=True, type=_FILE, help="File: .html or .pdf.")
@click.option("--language", default=i18n.DEFAULT, show_default=True, type=click.Choice(list(i18n.NAMES)))
def report(config: str, first: datetime | None, events: Path | None, output: Path, language: str) -> None:
    """Write the report of one week: presence, services, searches, satisfaction, availability, data lost."""
    settings = load(config)
    if output.suffix not in {".html", ".pdf"}:
        raise ParvisError(f"{output}: is neither .html nor .pdf.", remedy="Name the file by what it shall be.")
    begin = (first or _last_monday(clock.now())).replace(tzinfo=dates.ZONE)
    since, until = begin.timestamp(), (begin + timedelta(days=7)).timestamp()
    if events is not None:
        found = figures.build(sources.of_platform(events, since, until, settings.site.id))
    else:
        with closing(database.open_edge(settings.edge_db)) as edge:
            found = figures.build(sources.of_device(edge, since, until))
            # The gaps themselves leave with the outbox; the account tells them since the database began.
            found.lost = max(found.lost, outbox.account(edge).dropped)
    page = document.html(found, name=settings.site.name, since=since, until=until, code=language)
    if output.suffix == ".pdf":
        document.pdf(page, output)
    else:
        try:
            output.write_text(page, encoding="utf-8")
        except OSError as error:
            raise ParvisError(f"{output}: can't be written ({error.strerror}).", remedy="Give another file.") from error
    click.echo(f"{output}: {begin.date()} to {(begin + timedelta(days=6)).date()}, {len(found.by_place)} places told.")


def _last_monday(now: float) -> datetime:
    """Return the first day of the last whole week (ISO 8601), without a zone."""
    today = dates.here(now).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    return today - timedelta(days=today.weekday() + 7)
