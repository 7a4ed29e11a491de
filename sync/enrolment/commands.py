# SPDX-License-Identifier: EUPL-1.2
"""`parvis enroll` and `parvis site`: a device gets its identity; labels for boxes. Decides nothing."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from edge_core import settings
from edge_core.errors import ConfigurationError, ParvisError
from sync.enrolment import first_content, joining, keeping, labels, renewal
from sync.enrolment.ticket import parse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

_STATE = Path("/var/lib/parvis")
_config = click.option(
    "--config", type=click.Path(dir_okay=False, path_type=Path), default=Path("/etc/parvis/parvis.toml"),
    show_default=True, envvar="PARVIS_CONFIG", help="The device's configuration; begun where there is none.",
)  # fmt: skip
_config_again = click.option("--config", type=click.Path(dir_okay=False, path_type=Path), help="As above.")
_state = click.option(
    "--state-dir", type=click.Path(file_okay=False, path_type=Path), default=_STATE, show_default=True,
    help="Folder of the device's state, where no configuration names it.",
)  # fmt: skip
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


@click.group(invoke_without_command=True, options_metavar="[OPTIONS] [status|renew]")
@click.option("--ticket", type=click.File("r"), help="File that holds the ticket; - is standard input.")
@click.option("--replace", is_flag=True, help="Give a new identity to a device that has one.")
@click.option("--dry-run", is_flag=True, help="Only say what the ticket would give; it stays unused.")
@_config
@_state
@_as_json
@click.pass_context
def enroll(
    context: click.Context, ticket: TextIO | None, config: Path, state_dir: Path, *, replace: bool,
    dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Give this device its identity: scan, paste or type the ticket of its label.

    The ticket is asked for on the terminal, or read from standard input, and never shown. A wrong, used or expired
    one is refused, and the device stays as it was.
    """
    context.obj = config, state_dir
    if context.invoked_subcommand is not None:
        return
    known = parse(ticket.read() if ticket else _asked())
    state = _state_dir(config, state_dir)
    place, offer = joining.look(known)
    joining.require_fit(offer, config, state, replace=replace)
    if dry_run:
        _say(asdict(offer), f"This ticket makes the device {offer.site}/{offer.device}.", as_json=as_json)
        return
    facts = joining.join(known, place, state)
    if not config.exists():
        joining.begin_configuration(config, facts, state)
    version, said = _first_content(config)
    told = {"site": facts.site, "device": facts.device, "broker": facts.broker, "content": version}
    _say(told, f"Enrolled as {facts.site}/{facts.device}. {said}", as_json=as_json)


@enroll.command("status")
@_config_again
@_as_json
@click.pass_obj
def status(place: tuple[Path, Path], config: Path | None, *, as_json: bool) -> None:
    """Show who this device is and how long its certificate is good."""
    found = renewal.present(_state_dir(config or place[0], place[1]))
    if found is None:
        _say({"enrolled": False}, "This device was never enrolled.", as_json=as_json)
        return
    facts, certificate = found
    days = renewal.left(certificate, keeping.now()).total_seconds() / 86400
    told = {
        "enrolled": True, "site": facts.site, "device": facts.device, "broker": facts.broker, "bridge": facts.bridge,
        "expires": certificate.not_valid_after_utc.isoformat(), "days": round(days, 1), "copy": renewal.is_copy(facts),
    }  # fmt: skip
    copied = " It was given to another machine: enrol this one with a code of its own." if told["copy"] else ""
    _say(told, f"{facts.site}/{facts.device}, certificate good for {days:.0f} days.{copied}", as_json=as_json)


@enroll.command("renew")
@_config_again
@click.pass_obj
def renew(place: tuple[Path, Path], config: Path | None) -> None:
    """Renew the certificate now; `sync` does it by itself after two thirds of its life."""
    state = _state_dir(config or place[0], place[1])
    renewal.renew(state, keeping.now(), always=True)
    renewal.follow_revoked(state)
    click.echo("Renewed. The certificate before stays good until it ends.")


@click.group("site")
def site() -> None:
    """Prepare the devices of a site."""


@site.command("labels")
@click.argument("tickets", type=click.File("r"))
@click.argument("sheet", type=click.Path(dir_okay=False, path_type=Path))
def site_labels(tickets: TextIO, sheet: Path) -> None:
    """Write SHEET, a page to print with a QR label for each box.

    TICKETS holds one JSON object a line, {"site", "device", "ticket"}, as the platform's desk prints them; - is
    standard input.
    """
    found = labels.read(tickets)
    try:
        _write_privately(sheet, labels.sheet(found))
    except OSError as error:
        why = f"{sheet}: can't be written ({error.strerror})."
        raise ConfigurationError(why, remedy="Choose another place.") from error
    click.echo(f"{len(found)} labels in {sheet}. Print it, then delete it: a label enrols whoever scans it first.")


def _write_privately(path: Path, text: str) -> None:
    """Write a file that only its owner reads."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8")


def _asked() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Ticket", hide_input=True, err=True))
    return sys.stdin.read(4096)


def _state_dir(config: Path, otherwise: Path) -> Path:
    """Return the state folder that the configuration names; it need not be whole yet."""
    if not config.exists():
        return otherwise
    return Path(settings.read_file(config).get("device", {}).get("state_dir") or otherwise)


def _first_content(config: Path) -> tuple[int | None, str]:
    """Fetch content for the first time; an enrolled device whose content isn't there yet is still enrolled."""
    try:
        version = first_content.fetch(settings.load(config))
    except ParvisError as error:
        return None, f"Its content did not come yet: {error} sync goes on trying."
    return version, f"Content version {version} is here." if version else "The platform gives it no content."


def _say(facts: Mapping[str, object], sentence: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))
    else:
        Console(highlight=False, soft_wrap=True, markup=False).print(sentence)
