# SPDX-License-Identifier: EUPL-1.2
"""The commands of content: `parvis publish`, and `parvis content status`, `check`, `rollback`."""

from __future__ import annotations

import json
import threading
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from edge_core import clock, settings
from edge_core.errors import ParvisError
from edge_core.store.replica import Replica
from sync import publishing, stick
from sync.downlink import Downlink
from sync.release.carry import carry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sync.publish.publisher import Report

_FOLDER = click.Path(file_okay=False, path_type=Path)
_config = click.option(
    "--config", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Configuration of the device."
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


@click.command()
@click.argument("source", type=_FOLDER)
@click.argument("repository", type=_FOLDER)
@click.option("--keys", "key_folder", type=_FOLDER, required=True, help="Folder that `parvis keys make` filled.")
@click.option("--watch", is_flag=True, help="Publish again at every change, also of contributions, until interrupted.")
@click.option("--contributions", type=_FOLDER, help="Folder of what other publishers handed in, a folder for each.")
@click.option("--publisher", "own_name", metavar="NAME", help="Publish as NAME, for the park to take in.")
@_as_json
def publish(
    source: Path,
    repository: Path,
    key_folder: Path,
    *,
    watch: bool,
    contributions: Path | None,
    own_name: str | None,
    as_json: bool,
) -> None:
    """Publish the folder SOURCE into the signed REPOSITORY, which any web server can serve."""
    publisher, watching = publishing.module("publisher"), publishing.module("watch")

    def once() -> None:
        if own_name:
            report = publisher.contribute(source, repository, key_folder, own_name, clock.now())
        else:
            with bar() as progress:
                report = publisher.publish(
                    source, repository, key_folder, clock.now(), contributions=contributions, progress=progress
                )
        _print_report(report, as_json=as_json)

    def go_on() -> None:
        try:
            once()
        except (ParvisError, OSError) as error:  # a file that an editor takes away for a moment
            Console(stderr=True).print(f"[red]✗[/] {_escaped(error)}", highlight=False, soft_wrap=True)

    if not watch:
        once()
        return
    stop = threading.Event()
    try:
        watching.watch([source, contributions] if contributions else [source], go_on, stop.is_set)
    except KeyboardInterrupt:
        stop.set()


@contextmanager
def bar() -> Iterator[Callable[[str, int, int], None]]:
    """Show how far a long step is, on a terminal only; nothing stays of it."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = shown.add_task(what, total=total)
            shown.update(tasks[what], completed=done + 1, total=total)

        yield tell


def _print_report(report: Report, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(asdict(report)))
        return
    console = Console()
    for notice in report.notices:
        console.print(f"[yellow]![/] {_escaped(notice)}", highlight=False, soft_wrap=True)
    parts = [
        f"{name} {' '.join(f'{sign}{count}' for sign, count in zip('+~-', counts, strict=True) if count)}"
        for name, counts in report.changes.items()
    ]
    said = f"published: {', '.join(parts) or 'new entries'}" if report.published else "nothing changed"
    console.print(
        f"[green]✓[/] version {report.version}, {report.records} records, {said} ({report.bytes_written} bytes)",
        highlight=False,
        soft_wrap=True,
    )


@click.group()
def content() -> None:
    """Show and fetch the content of this device."""


@content.command("status")
@_config
@_as_json
def content_status(config: Path, *, as_json: bool) -> None:
    """Show which content this device serves, and how fresh it is."""
    configuration = settings.load(config)
    with closing(Replica(configuration.content_db, configuration.blobs_dir)) as replica:
        state = replica.state()
    if as_json:
        click.echo(json.dumps(asdict(state)))
    elif state.version is None:
        click.echo("No content yet.")
    else:
        age = int(clock.now() - (state.checked_at or 0.0))
        click.echo(f"Content version {state.version}, verified {age} s ago.")


@content.command("import")
@_config
@click.argument("place", type=click.Path(exists=True, path_type=Path))
def content_import(config: Path, place: Path) -> None:
    """Take the content of a stick: PLACE is a folder, or a block device that is mounted read-only (as root)."""
    configuration = settings.load(config)
    carrying = Downlink(configuration, carry=lambda said, road: carry(said, configuration, road))
    with closing(carrying) as downlink, bar() as progress:

        def told(done: int, total: int) -> None:
            progress("files", done, total)

        if place.is_dir():
            result = stick.take(downlink, place, told)
        else:
            with stick.mounted(str(place)) as folder:
                result = stick.take(downlink, folder, told)
    if result.error is not None:
        raise result.error
    click.echo(f"Content version {result.version}{', just applied' if result.changed else ', nothing new'}.")


@content.command("rollback")
@_config
@click.option("--resume", is_flag=True, help="Take the newest version again.")
def content_rollback(config: Path, *, resume: bool) -> None:
    """Serve the content before the last change again; the version that was replaced is passed over."""
    with closing(Downlink(settings.load(config))) as downlink:
        if resume:
            downlink.resume()
            click.echo("The newest version is taken at the next look.")
        else:
            click.echo(f"Back at version {downlink.rollback()}. What comes after the one before is taken again.")


@content.command("check")
@_config
@_as_json
def content_check(config: Path, *, as_json: bool) -> None:
    """Look for new content now, verify it and apply it."""
    with closing(Downlink(settings.load(config))) as downlink:
        result = downlink.check()
    if as_json:
        error = str(result.error) if result.error else None
        click.echo(json.dumps({"changed": result.changed, "version": result.version, "error": error}))
    if result.error is not None:
        raise result.error
    if not as_json:
        click.echo(f"Content version {result.version}{', just applied' if result.changed else ', nothing new'}.")


def _escaped(text: object) -> str:
    return str(text).replace("[", "\\[")
