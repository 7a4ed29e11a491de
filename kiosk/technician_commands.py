# SPDX-License-Identifier: EUPL-1.2
"""`parvis technician`: the key that makes passes, and the passes that open technician mode on kiosks."""

from __future__ import annotations

from pathlib import Path

import click
import segno
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from edge_core import clock
from edge_core import technician as passes
from edge_core.errors import ProcessError

_FOLDER = click.Path(file_okay=False, path_type=Path)
_SECRET, _PUBLIC = "technicians.pem", "technicians.pub.pem"


@click.group()
def technician() -> None:
    """Make the passes that open technician mode on kiosks."""


@technician.command("key")
@click.argument("folder", type=_FOLDER)
def key(folder: Path) -> None:
    """Make the key that signs passes, in FOLDER."""
    secret = folder / _SECRET
    if secret.exists():
        raise ProcessError(f"{secret} exists.", remedy="Passes are made with it; give another folder for a new key.")
    made = Ed25519PrivateKey.generate()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    secret.touch(mode=0o600)
    secret.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = folder / _PUBLIC
    public.write_bytes(made.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    click.echo(f"Give kiosks {public} ([kiosk] technicians). Keep {secret} secret.")


@technician.command("pass")
@click.argument("folder", type=_FOLDER)
@click.option("--site", required=True, help="[site] id of the kiosks.")
@click.option("--device", default="*", help="[device] id of one kiosk; all of the site by default.")
@click.option("--hours", type=click.IntRange(1, passes.LONGEST_HOURS), default=8, help="How long it is good; 8.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File for its QR code (SVG or PNG).")
def make_pass(folder: Path, site: str, device: str, hours: int, output: Path | None) -> None:
    """Make a pass with the key in FOLDER, as a QR code to show to the kiosk's scanner."""
    try:
        secret = load_pem_private_key((folder / _SECRET).read_bytes(), None)
    except (OSError, ValueError) as error:
        raise ProcessError(
            f"{folder / _SECRET} can't be read ({error}).", remedy=f"Make it: parvis technician key {folder}"
        ) from error
    if not isinstance(secret, Ed25519PrivateKey):
        raise ProcessError(f"{folder / _SECRET} is another kind of key.", remedy="Make one: parvis technician key")
    text = passes.make(passes.Pass(site, device, int(clock.now()) + hours * 3600), secret)
    code = segno.make(text, error="m", micro=False)
    if output is None:
        code.terminal(compact=True)
    else:
        code.save(str(output), scale=8)
    click.echo(f"Good for {hours} h on {'every kiosk' if device == '*' else device} of {site}.")
