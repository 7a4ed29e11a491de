# SPDX-License-Identifier: EUPL-1.2
"""`parvis legal`: the record of connections that a law may ask for. Off unless the settings turn it on."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click
from nacl.encoding import HexEncoder
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey

from edge_core import clock, csv_cells
from edge_core import legal as legal_state
from edge_core.cli import options
from edge_core.errors import ParvisError
from edge_core.settings import load
from gateway_agent import legal_export, legal_vault

_DAY = click.DateTime(formats=["%Y-%m-%d"])
_COLUMNS = ("start", "end", "session", "terminal", "protocol", "source", "source_port", "outside", "outside_port")
_LONGEST = 300


@click.group()
def legal() -> None:
    """Look after the sealed record of connections, kept for a year where a law asks for it."""


@legal.command()
@click.option("--output", required=True, type=click.Path(path_type=Path), help="File for the private key; .pub beside.")
def keygen(output: Path) -> None:
    """Make the investigator's pair of keys: on the investigator's computer, never on a device."""
    key = PrivateKey.generate()
    public = output.with_name(output.name + ".pub")
    for path, data in ((output, key.encode(HexEncoder)), (public, key.public_key.encode(HexEncoder))):
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise ParvisError(f"{path}: can't be made ({error.strerror}).", remedy="Name a new file.") from error
        with os.fdopen(handle, "wb") as file:
            file.write(data + b"\n")
    click.echo(f"{public}: copy it to the gateway, and name it in [legal] investigator.")
    click.echo(f"{output}: keep it where no device is. Who loses it can open nothing of the record.")


@legal.command()
@options.config
@options.as_json
def status(config: str, *, as_json: bool) -> None:
    """Show whether connections are recorded, under which order, and which days are held."""
    settings, now = load(config), clock.now()
    folder, order = legal_state.folder(settings), legal_state.injunction(settings)
    held = {day: sum(file.stat().st_size for file in (folder / day).iterdir()) for day in legal_vault.days(folder)}
    found = {
        "record": settings.legal.record,
        "wanted": legal_state.is_wanted(settings, now),
        "state": legal_state.state(settings) or "no recorder",
        "when_full": settings.legal.when_full,
        "injunction": {"reference": order.reference, "until": _iso(order.until)} if order else None,
        "signed_by": _verify_key(config) if settings.legal.record != "off" else None,
        "days": held,
    }
    if as_json:
        options.print_json(found)
        return
    click.echo(f"Record: {found['record']} ({found['state']}); when it can't be written: {found['when_full']}.")
    if order:
        word = "in force" if order.holds(now) else "over"
        click.echo(f"Injunction {order.reference}: {word}, until {_iso(order.until)}.")
    if found["signed_by"]:
        click.echo(f"Exports are signed by {found['signed_by']}.")
    for day, size in held.items():
        click.echo(f"  {day}  {size / 1e6:.1f} MB, destroyed after {date.fromisoformat(day) + legal_vault.YEAR}")


@legal.command()
@options.config
@click.option("--reference", help="The order's reference, as it is cited.")
@click.option("--until", type=_DAY, help="The day after which nothing is recorded any more (UTC).")
@click.option("--end", is_flag=True, help="The order is lifted: stop now.")
def injunction(config: str, reference: str | None, until: datetime | None, *, end: bool) -> None:
    """Record while an order is in force (`[legal] record = "injunction"`), until its end date."""
    settings, now = load(config), clock.now()
    if end:
        legal_state.note_injunction(settings, None)
        legal_vault.log(legal_state.folder(settings), {"at": now, "injunction": "ended"})
        click.echo("No order is in force. What was recorded stays for its year.")
        return
    if not reference or not until:
        raise click.UsageError("Give --reference and --until, or --end.")
    over = (until.replace(tzinfo=UTC) + timedelta(days=1)).timestamp()
    if over <= now:
        raise ParvisError("That end date has passed.", remedy="Give a day from today on.")
    order = legal_state.Injunction(reference[:_LONGEST], now, over)
    legal_state.note_injunction(settings, order)
    legal_vault.log(legal_state.folder(settings), {"at": now, "injunction": order.reference, "until": _iso(over)})
    click.echo(f"Connections are recorded until {_iso(over)}, by order {order.reference}.")
    if settings.legal.record != "injunction":
        click.echo(f'But [legal] record is "{settings.legal.record}": set it to "injunction" for this to have effect.')


@legal.command("export")
@options.config
@click.option("--from", "first", required=True, type=_DAY, help="First day (UTC).")
@click.option("--to", "last", required=True, type=_DAY, help="Last day (UTC).")
@click.option("--request", required=True, help="Who asks, and under which reference; it is logged and signed.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="The tar to write.")
def export_(config: str, first: datetime, last: datetime, request: str, output: Path) -> None:
    """Hand out the sealed record of some days, for a request; signed by this device, and logged."""
    settings = load(config)
    held = legal_vault.days(legal_state.folder(settings))
    wanted = [day for day in held if first.date().isoformat() <= day <= last.date().isoformat()]
    if not request.strip():
        raise ParvisError("The request says nothing.", remedy="Name who asks, and the reference of the request.")
    try:
        digest = legal_export.export(settings, wanted, request.strip()[:_LONGEST], output, clock.now())
    except OSError as error:
        raise ParvisError(f"{output}: can't be written ({error.strerror}).", remedy="Name a new file.") from error
    click.echo(f"{output}: {', '.join(wanted)}. Manifest {digest}.")


@legal.command("open")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--key", required=True, type=click.Path(path_type=Path), help="The investigator's private key.")
@click.option("--signed-by", required=True, help="The device's signing key, as `parvis legal status` shows it.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="CSV to write.")
def open_(file: Path, key: Path, signed_by: str, output: Path) -> None:
    """Check and open an export, on the investigator's computer: one line a connection."""
    try:
        private = PrivateKey(key.read_bytes().strip(), HexEncoder)
    except (OSError, ValueError, TypeError, CryptoError) as error:
        raise ParvisError(f"{key}: is no private key ({error}).", remedy="Give the file that keygen made.") from error
    opened = legal_export.read(file, private, signed_by)
    rows = ({**row, "start": _iso(row["start"]), "end": _iso(row["end"])} for row in opened.connections)
    with output.open("x", encoding="utf-8", newline="") as stream:
        count = csv_cells.write(stream, _COLUMNS, rows)
    click.echo(f"{count} connections, for: {opened.manifest['request']}.")
    for gap in opened.gaps:
        told = gap.get("events") or gap.get("overflow") or "the recorder was away"
        click.echo(f"Not complete from {_iso(gap['from'])} to {_iso(gap['until'])}: {told}.", err=True)
    if opened.bad:
        click.echo(f"{opened.bad} parts could not be read.", err=True)


def _verify_key(config: str) -> str:
    return legal_export.signer(load(config)).verify_key.encode(HexEncoder).decode()


def _iso(moment: float | None) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds") if moment is not None else ""
