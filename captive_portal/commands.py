# SPDX-License-Identifier: EUPL-1.2
"""`parvis vouchers`: make codes, see what became of them, take them back, print them."""

from __future__ import annotations

import csv
import io
import sys
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from captive_portal import hosts, plans, seal, sheet
from edge_core import clock, control, gateway_key, i18n, keyfile
from edge_core.cli import options
from edge_core.errors import ParvisError, StoreError
from edge_core.settings import load
from edge_core.store import database, grants
from edge_core.store import vouchers as store
from edge_core.store.replica import Replica

if TYPE_CHECKING:
    import sqlite3

    from captive_portal.plans import Plan
    from edge_core.settings import Settings
    from edge_core.store.vouchers import Voucher

_DAY = 86400
_KEPT = 30 * _DAY  # seconds that a voucher which is over can still be listed
_COLUMNS = ("code", "url", "plan", "seconds", "valid_until")


@click.group()
def vouchers() -> None:
    """Make, list, revoke and print codes that let people go online."""


@vouchers.command()
@options.config
@click.option("--plan", "plan_id", help="Plan of the content that the codes give; by default the one for codes.")
@click.option("--count", default=1, show_default=True, type=click.IntRange(1, 10_000), help="How many.")
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 3660), help="Days to use them first.")
@click.option("--batch", help="Name to list and revoke them by; by default the time.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write a CSV file, for `print`.")
def make(*, config: str, plan_id: str | None, count: int, days: int, batch: str | None, output: Path | None) -> None:
    """Make codes. They are told here and never again: only a keyed hash of each is kept."""
    settings, now = load(config), clock.now()
    connection = database.open_edge(settings.edge_db)
    plan = _plan(settings, plan_id)
    name = batch or datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
    store.purge(connection, now - _KEPT)
    codes = store.make(
        connection,
        _key(settings),
        batch=name,
        plan=plan.id,
        seconds=plan.seconds,
        limits=plan.limits,
        devices=plan.devices,
        count=count,
        valid_until=now + days * _DAY,
        now=now,
        site=settings.site.gateway_key is not None,
    )
    table = _csv(settings, codes, plan, now + days * _DAY)
    if output:
        output.touch(mode=0o600)
        output.write_text(table, encoding="utf-8")
        click.echo(f"{count} codes of the batch {name} are in {output}. Keep that file as you would keep the codes.")
    else:
        sys.stdout.write(table)


@vouchers.command("list")
@options.config
@options.as_json
@click.option("--batch", help="List each voucher of this batch.")
def list_(config: str, batch: str | None, *, as_json: bool) -> None:
    """List the batches, or the vouchers of one; codes are not known any more."""
    connection, now = database.open_edge(load(config).edge_db), clock.now()
    found = store.all_of(connection, batch)
    if as_json:
        options.print_json([{**vars(each), "digest": None, "state": each.state(now)} for each in found])
    elif batch:
        _print(["Number", "Plan", "State", "Use before"], [[_number(v), v.plan, v.state(now), _day(v)] for v in found])
    else:
        groups: dict[str, list[store.Voucher]] = {}
        for each in found:
            groups.setdefault(each.batch, []).append(each)
        rows = [[name, held[0].plan, _states(held, now), _day(held[0])] for name, held in groups.items()]
        _print(["Batch", "Plan", "Vouchers", "Use before"], rows)


@vouchers.command()
@options.config
@click.option("--batch", help="Revoke the whole batch.")
@click.option("--code", help="Revoke one code.")
@click.option("--number", type=int, help="Revoke the voucher of this number.")
def revoke(config: str, batch: str | None, code: str | None, number: int | None) -> None:
    """Revoke vouchers; their sessions end at once."""
    settings, now = load(config), clock.now()
    connection = database.open_edge(settings.edge_db)
    meant = _meant(settings, connection, batch, code, number)
    count = store.revoke(connection, meant, now)
    ended = 0
    for each in meant:
        for grant in grants.by_holder(connection, each.holder.key, now):
            ended += grants.end(connection, grant.mac, "revoked", now) is not None
    if ended:
        control.nudge(settings.agent_socket)
    click.echo(f"{count} vouchers are revoked, {ended} sessions ended.")


@vouchers.command("print")
@options.config
@click.argument("codes", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="HTML file to write.")
@click.option("--language", default=i18n.DEFAULT, show_default=True, type=click.Choice(list(i18n.NAMES)))
def print_(config: str, codes: Path, output: Path, language: str) -> None:
    """Lay out the codes of a CSV file that `make` wrote, each with its QR code, on a page to print."""
    settings = load(config)
    with codes.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or set(_COLUMNS) - set(rows[0]):
        raise ParvisError(f"{codes}: holds no codes.", remedy="Give the file that `parvis vouchers make` wrote.")
    park = Replica(settings.content_db, settings.blobs_dir).park()
    name = i18n.text(park.get("name"), language) or settings.site.name
    output.touch(mode=0o600)
    output.write_text(sheet.lay_out(rows, name, sheet.languages()[language]), encoding="utf-8")
    click.echo(f"{output} has {len(rows)} codes. Open it in a browser and print it.")


def _plan(settings: Settings, wanted: str | None) -> Plan:
    known = plans.read_all(
        Replica(settings.content_db, settings.blobs_dir).list("access", order="id"), settings.access.duration
    )
    found = plans.by_id(known, wanted) if wanted else plans.for_way(known, plans.VOUCHER)
    if found is None or plans.VOUCHER not in found.ways:
        names = ", ".join(plan.id for plan in known if plans.VOUCHER in plan.ways) or "none"
        raise ParvisError(
            f"There is no plan {wanted or ''} that codes can give.".replace("  ", " "),
            remedy=f'Plans for codes: {names}. They are content: access.csv, with the way "voucher".',
        )
    return found


def _key(settings: Settings) -> bytes:
    """Return the key under which codes are hashed: the site's, where its gateways share one."""
    if shared := gateway_key.load(settings):
        return seal.Seal(shared.portal).derive(seal.VOUCHERS)
    path = seal.own_key(settings)
    try:
        return keyfile.derive(keyfile.read_or_create(path), seal.VOUCHERS)
    except OSError as error:
        with suppress(OSError):
            return seal.borrow(settings)
        raise StoreError(
            f"{path}: can't be read or made ({error.strerror}).", remedy="Run this as the portal's user, or as root."
        ) from error


def _csv(settings: Settings, codes: list[str], plan: Plan, valid_until: float) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    until = datetime.fromtimestamp(valid_until, UTC).isoformat(timespec="seconds")
    for code in codes:
        writer.writerow([store.spoken(code), f"{hosts.public(settings)}v/{code}", plan.id, plan.seconds, until])
    return text.getvalue()


def _meant(
    settings: Settings, connection: sqlite3.Connection, batch: str | None, code: str | None, number: int | None
) -> list[Voucher]:
    if sum(given is not None for given in (batch, code, number)) != 1:
        raise ParvisError("Which vouchers?", remedy="Give one of --batch, --code or --number.")
    if number is not None:
        found = [each] if (each := store.get(connection, number)) else []
    elif code is not None:
        found = [each] if (each := store.find(connection, _key(settings), code)) else []
    else:
        found = store.all_of(connection, batch)
    if not found:
        raise ParvisError("No voucher is meant by that.", remedy="`parvis vouchers list` shows those that there are.")
    return found


def _states(held: list[store.Voucher], now: float) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(Counter(v.state(now) for v in held).items()))


def _day(voucher: store.Voucher) -> str:
    return datetime.fromtimestamp(voucher.valid_until, UTC).date().isoformat()


def _number(voucher: store.Voucher) -> str:
    return str(voucher.id or "elsewhere")


def _print(headings: list[str], rows: list[list[Any]]) -> None:
    table = Table(*headings)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
