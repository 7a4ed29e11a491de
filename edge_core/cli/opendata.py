# SPDX-License-Identifier: EUPL-1.2
"""`parvis opendata`: the series of presence as files that are ready to be published."""

from __future__ import annotations

import io
import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from edge_core import clock, csv_cells, durable
from edge_core import opendata as published
from edge_core.cli import options
from edge_core.errors import ParvisError
from edge_core.settings import load
from edge_core.store import database, series
from edge_core.web import dates

_DAY = click.DateTime(formats=["%Y-%m-%d"])
_README = Path(published.__file__).with_name("opendata_readme.md")
_LICENCE = "https://www.etalab.gouv.fr/licence-ouverte-open-licence"


@click.command()
@options.config
@click.option("--from", "first", type=_DAY, help="First day (the site's); default: 30 days ago.")
@click.option("--to", "last", type=_DAY, help="Last day; default: yesterday.")
@click.option("--output", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder to write.")
@click.option("--publisher", help="Who publishes; default: the site's name.")
@click.option("--licence", default=_LICENCE, show_default=True, help="Address of the licence.")
def opendata(
    *, config: str, first: datetime | None, last: datetime | None, output: Path, publisher: str | None, licence: str
) -> None:
    """Write the counts of this gateway as CSV and JSON, with a DCAT-AP description, ready to publish."""
    settings, now = load(config), clock.now()
    today = dates.here(now).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    begin = (first or today - timedelta(days=30)).replace(tzinfo=dates.ZONE)
    last_day = last or today - timedelta(days=1)
    end = (last_day + timedelta(days=1)).replace(tzinfo=dates.ZONE)
    if end <= begin:
        raise ParvisError("The last day is before the first.", remedy="Give --from and --to in order.")
    with closing(database.open_edge(settings.edge_db)) as store:
        rows = series.read(store, int(begin.timestamp()), int(end.timestamp()))
        found = published.build(rows, dates.ZONE, now)
    files = {name: _file(name, found) for kind in published.COLUMNS for name in (f"{kind}.csv", f"{kind}.json")}
    told = published.description(
        site=settings.site.id,
        name=settings.site.name,
        publisher=publisher or settings.site.name,
        licence=licence,
        first=begin.date().isoformat(),
        last=last_day.date().isoformat(),
        made=datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
        files={name: len(data) for name, data in files.items()},
    )
    described = {"dataset.jsonld": json.dumps(told, ensure_ascii=False, indent=2).encode()}
    _write(output, {**files, **described, "README.md": _README.read_bytes()})
    count = len(found.rows[published.WINDOWS])
    click.echo(f"{output}: {count} windows, {len(files)} files, dataset.jsonld and README.md.")
    for reason, count in sorted(found.left_out.items()):
        click.echo(f"Left out: {count} windows ({reason}).")


def _file(name: str, found: published.Series) -> bytes:
    kind, _, form = name.partition(".")
    rows, columns = found.rows[kind], published.COLUMNS[kind]
    if form == "json":
        return json.dumps([{key: row[key] for key in columns} for row in rows], ensure_ascii=False, indent=1).encode()
    text = io.StringIO(newline="")
    csv_cells.write(text, columns, rows)
    return text.getvalue().encode("utf-8")


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """Replace each file whole: whoever publishes the folder never takes half of one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            durable.replace(folder / name, data)
    except OSError as error:
        raise ParvisError(f"{folder}: can't be written ({error.strerror}).", remedy="Name another folder.") from error
