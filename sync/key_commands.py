# SPDX-License-Identifier: EUPL-1.2
"""`parvis keys`: the keys that sign content, from the first one to the revoked one, and who else may sign what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_core import clock
from sync import publishing

if TYPE_CHECKING:
    from sync.publish.ceremony import Outcome

_FOLDER = click.Path(file_okay=False, path_type=Path)
_folder = click.argument("folder", type=_FOLDER)
_root_keys = click.option(
    "--root-keys", "root_folders", type=_FOLDER, multiple=True, help="Folder of root keys that are kept elsewhere."
)


@click.group()
def keys() -> None:
    """Make, rotate and revoke the keys that sign content."""


@keys.command("make")
@_folder
@click.option("--root-keys", "count", type=click.IntRange(1, 9), default=1, help="How many root keys; 1 by default.")
@click.option("--threshold", type=click.IntRange(1, 9), default=1, help="How many of them must sign; 1 by default.")
@click.option("--publisher", is_flag=True, help="Make the key of a company or authority that signs its own records.")
def make(folder: Path, count: int, threshold: int, *, publisher: bool) -> None:
    """Make the keys of a new repository in FOLDER."""
    if publisher:
        public = publishing.module("publishers").make_key(folder)
        click.echo(f"Key made in {folder}. Give the park {public}; keep publisher.pem secret.")
        return
    root = publishing.module("keys").make(folder, clock.now(), root_keys=count, threshold=threshold)
    click.echo(f"Keys made in {folder}.")
    click.echo(f"Give devices {root} ([content] root). Keep root*.pem offline, and all *.pem secret.")


@keys.command("rotate")
@_folder
@click.argument("role", type=click.Choice(["root", "targets", "snapshot", "timestamp"]))
@_root_keys
def rotate(folder: Path, role: str, root_folders: tuple[Path, ...]) -> None:
    """Replace the keys of ROLE in FOLDER by new ones; devices follow at their next look."""
    _tell(folder, publishing.module("ceremony").rotate(folder, role, root_folders, clock.now()))


@keys.command("revoke")
@_folder
@click.argument("key")
@_root_keys
def revoke(folder: Path, key: str, root_folders: tuple[Path, ...]) -> None:
    """Replace one KEY (its file in FOLDER, or its id) that was lost or stolen."""
    _tell(folder, publishing.module("ceremony").revoke(folder, key, root_folders, clock.now()))


@keys.command("renew")
@_folder
@_root_keys
def renew(folder: Path, root_folders: tuple[Path, ...]) -> None:
    """Put off the expiry of the root; no key changes."""
    _tell(folder, publishing.module("ceremony").renew(folder, root_folders, clock.now()))


@keys.command("sign")
@_folder
@_root_keys
def sign(folder: Path, root_folders: tuple[Path, ...]) -> None:
    """Add signatures to a new root that waits for them in FOLDER."""
    _tell(folder, publishing.module("ceremony").sign(folder, root_folders))


@keys.command("delegate")
@_folder
@click.argument("name")
@click.option("--key", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Its publisher.pub.json.")
@click.option("--owns", multiple=True, required=True, help='Such as "companies/exemple-ardoise" or "news/ardoise-*".')
def delegate(folder: Path, name: str, key: Path, owns: tuple[str, ...]) -> None:
    """Let NAME sign records of its own; it takes effect with the next publication."""
    publisher = publishing.module("publishers").delegate(folder, name, key, owns)
    click.echo(f"{publisher.name} signs {', '.join(publisher.owns.patterns)} from the next publication on.")


@keys.command("withdraw")
@_folder
@click.argument("name")
def withdraw(folder: Path, name: str) -> None:
    """Take back what NAME was given; its records go with the next publication."""
    publishing.module("publishers").withdraw(folder, name)
    click.echo(f"{name} signs nothing any more from the next publication on.")


@keys.command("list")
@_folder
def list_keys(folder: Path) -> None:
    """Show which keys sign what, and where the private ones are."""
    maker = publishing.module("keys")
    root = maker.load_root(folder).signed
    here = {key_id: path.name for key_id, (path, _) in maker.signers_in(folder).items()}
    click.echo(f"root version {root.version}, until {root.expires:%Y-%m-%d}")
    for role, named in root.roles.items():
        where = ", ".join(f"{key_id[:8]} ({here.get(key_id, 'elsewhere')})" for key_id in named.keyids)
        click.echo(f"{role}: {named.threshold} of {where}")
    for each in publishing.module("publishers").load(folder):
        click.echo(f"{each.name}: {each.key.keyid[:8]} signs {', '.join(each.owns.patterns)}")


def _tell(folder: Path, outcome: Outcome) -> None:
    if outcome.installed:
        click.echo(f"Root version {outcome.version} stands. Publish now: devices follow at their next look.")
        return
    click.echo(f"Root version {outcome.version} has {outcome.signatures} of {outcome.needed} signatures and waits.")
    click.echo(f"Whoever keeps another root key: parvis keys sign {folder} --root-keys FOLDER")
