# SPDX-License-Identifier: EUPL-1.2
"""`parvis release`: the operator signs who gets which release; the technician looks, installs now, or goes back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_core import clock, settings
from edge_core.errors import ProcessError
from sync import publishing
from sync.release import channel as channels
from sync.release import install as installer
from sync.release.shelf import Shelf

if TYPE_CHECKING:
    from sync.release.channel import Channel
    from sync.release.trial import Outcome

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
_repository = click.argument("repository", type=_FOLDER)
_keys = click.option("--keys", "keys", type=_FOLDER, required=True, help="Folder that `parvis keys make` filled.")
_config = click.option(
    "--config", type=_FILE, required=True, envvar="PARVIS_CONFIG", help="Configuration of the device."
)


@click.group()
def release() -> None:
    """Sign releases for a fleet, or look after the release of this device."""


@release.command("publish")
@_repository
@click.argument("bundles", type=_FILE, nargs=-1, required=True)
@_keys
@click.option("--stage", type=click.IntRange(0, 100), default=1, help="Per cent of devices that begin; 1 by default.")
def publish(repository: Path, bundles: tuple[Path, ...], keys: Path, stage: int) -> None:
    """Put BUNDLES of one release (one for each Python and machine) into REPOSITORY and begin with a few devices."""
    _say(publishing.module("releasing").publish(bundles, repository, keys, clock.now(), stage))


@release.command("stage")
@_repository
@click.argument("per_cent", type=click.IntRange(0, 100))
@_keys
def stage(repository: Path, per_cent: int, keys: Path) -> None:
    """Let PER_CENT of devices have the release."""
    _say(
        publishing.module("releasing").change(
            repository, keys, clock.now(), lambda before: channels.staged(before, per_cent, halted=False)
        )
    )


@release.command("halt")
@_repository
@_keys
def halt(repository: Path, keys: Path) -> None:
    """Stop: no further device takes the release. Those that have it keep it."""
    _say(
        publishing.module("releasing").change(
            repository, keys, clock.now(), lambda before: channels.staged(before, None, halted=True)
        )
    )


@release.command("advance")
@_repository
@_keys
@click.option("--devices", type=click.IntRange(1), required=True, help="How many devices there are.")
@click.option("--installed", type=click.IntRange(0), required=True, help="How many told that they run it.")
@click.option("--went-back", type=click.IntRange(0), required=True, help="How many told that they went back.")
def advance(repository: Path, keys: Path, devices: int, installed: int, went_back: int) -> None:
    """Go to the next stage (1, 10, 100 per cent), wait, or stop by itself, from what devices told the platform."""
    word = publishing.module("releasing").change(
        repository, keys, clock.now(), lambda before: channels.next_step(before, devices, installed, went_back)
    )
    _say(word)


@release.command("new-key")
@_repository
@_keys
def new_key(repository: Path, keys: Path) -> None:
    """Replace the key that signs releases, because it was lost to somebody, or is due."""
    word = publishing.module("releasing").replace_key(repository, keys, clock.now())
    click.echo("A new key signs releases; devices believe the old one no more from their next look on.")
    if word is not None:
        _say(word)


@release.command("status")
@_config
def status(config: Path) -> None:
    """Show which release runs, which was found well, and which one can go back to."""
    settings.load(config)
    shelf = Shelf()
    for link in ("current", "proven", "previous"):
        click.echo(f"{link:9} {shelf.named(link) or '-'}")


@release.command("install")
@_config
def install(config: Path) -> None:
    """Install now what the operator wants here, as root; it happens by itself within minutes."""
    outcome = installer.run(settings.load(config), Shelf())
    click.echo("Nothing to install: this device has what it is to have." if outcome is None else _told(outcome))


@release.command("rollback")
@_config
def rollback(config: Path) -> None:
    """Go back to the release before this one, as root; it stays until its operator says something new."""
    loaded, shelf = settings.load(config), Shelf()
    target = shelf.named("previous")
    if not shelf.holds(target):
        raise ProcessError("There is no release before this one.", remedy="Install one: parvis release install.")
    click.echo(_told(installer.go_back(loaded, shelf, target)))


def _say(word: Channel) -> None:
    state = "stopped" if word.halted else f"for {word.stage} % of devices"
    click.echo(f"Release {word.release}: {state} ({', '.join(sorted(word.bundles))}; word {word.sequence}).")


def _told(outcome: Outcome) -> str:
    return {
        "installed": f"{outcome.release} runs, and the device is well.",
        "rolled_back": f"{outcome.release} was not well ({outcome.reason}): {outcome.before} runs again.",
        "refused": f"{outcome.release} was not installed ({outcome.reason}): {outcome.before} runs on.",
    }.get(outcome.what, f"{outcome.release} runs on.")
