# SPDX-License-Identifier: EUPL-1.2
"""`parvis sync status`: what waits to leave, for how long, and how fresh the content is; reads only."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from edge_core import clock, desired, settings
from edge_core.store import database, outbox
from edge_core.store.replica import Replica

if TYPE_CHECKING:
    import sqlite3

    from edge_core.settings import Settings

ERROR_FILE = "sync-error.json"  # in the run folder: why content or the broker last failed, and when


def note_error(configuration: Settings, what: str, reason: str, now: float) -> None:
    """Keep the last error for people to see; "" when all is well again. Never raises: telling is not the work."""
    try:
        configuration.run_dir.mkdir(parents=True, exist_ok=True)
        file = configuration.run_dir / ERROR_FILE
        told = _read_errors(configuration)
        told.pop(what, None)
        if reason:
            told[what] = {"reason": reason, "at": now}
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps(told), encoding="utf-8")
        fresh.replace(file)
    except OSError:
        return


@click.group("sync")
def sync() -> None:
    """Look at what goes to the platform and comes from it."""


@sync.command("status")
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), required=True, envvar="PARVIS_CONFIG",
              help="Configuration of the device.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
def status(config: Path, *, as_json: bool) -> None:
    """Show, for each stream, what was created, acknowledged, waits and was dropped; and the content's freshness."""
    configuration = settings.load(config)
    with closing(database.open_edge(configuration.edge_db)) as connection:
        facts = gather(configuration, connection, clock.now())
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, indent=2))
        return
    table = Table("stream", "created", "acknowledged", "pending", "dropped", "oldest waits")
    for name, row in (*facts["streams"].items(), ("all", facts["total"])):
        age = row.get("oldest_seconds")
        counts = [f"{row[key]:,}".replace(",", " ") for key in ("created", "acked", "pending", "dropped")]
        table.add_row(name, *counts, "" if age is None else span(age))
    console = Console()
    console.print(table)
    content = facts["content"]
    console.print(
        "Content: none yet." if content["version"] is None
        else f"Content: version {content['version']}, verified {span(content['checked_seconds'])} ago.",
        highlight=False,
    )  # fmt: skip
    if (wish := facts["settings"])["generation"] is not None:
        held = ", ".join(f"{name} = {value}" for name, value in wish["in_force"].items()) or "none"
        why = f" ({wish['reason']})" if wish["reason"] else ""
        said = f"Settings from the platform: {held}; wish {wish['generation']} {wish['state']}{why}."
        console.print(said, highlight=False, markup=False, soft_wrap=True)
    for what, error in facts["errors"].items():
        told = f"[yellow]Last error ({what}, {span(error['seconds'])} ago):[/]"
        console.print(told, error["reason"].replace("[", "\\["), highlight=False, soft_wrap=True)


def gather(configuration: Settings, connection: sqlite3.Connection, now: float) -> dict[str, Any]:
    """Return what `parvis sync status --json` prints; ages in seconds by this device's clock."""
    streams = {
        name: {
            **asdict(each),
            "oldest_seconds": _rounded(outbox.oldest_age(connection, name, now)) if each.pending else None,
        }
        for name, each in outbox.accounts(connection).items()
    }
    ages = [row["oldest_seconds"] for row in streams.values() if row["oldest_seconds"] is not None]
    total = outbox.account(connection)
    with closing(Replica(configuration.content_db)) as replica:
        state = replica.state()
    errors = {
        what: {"reason": each["reason"], "seconds": max(0, round(now - each["at"]))}
        for what, each in _read_errors(configuration).items()
    }
    return {
        "epoch": outbox.epoch(connection),
        "streams": streams,
        "total": {**asdict(total), "oldest_seconds": max(ages, default=None)},
        "balanced": total.balanced,
        "content": {
            "version": state.version,
            "applied_seconds": None if state.applied_at is None else max(0, round(now - state.applied_at)),
            "checked_seconds": None if state.checked_at is None else max(0, round(now - state.checked_at)),
        },
        "settings": _settings(configuration),
        "errors": errors,
    }


def _settings(configuration: Settings) -> dict[str, Any]:
    """Return what the platform last wished for, what became of it, and which of its settings hold."""
    kept = desired.read(configuration.device.state_dir)
    told = kept.get("told")
    told = told if isinstance(told, dict) else {}
    return {**{key: told.get(key) for key in ("generation", "state", "reason")}, "in_force": desired.in_force(kept)}


def span(seconds: float | None) -> str:
    """Return a length of time as people say it."""
    if seconds is None:
        return "never"
    for length, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {name}"
    return f"{seconds:.0f} s"


def _rounded(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)


def _read_errors(configuration: Settings) -> dict[str, Any]:
    try:
        told = json.loads((configuration.run_dir / ERROR_FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    good = isinstance(told, dict) and all(
        isinstance(each, dict) and isinstance(each.get("reason"), str) and isinstance(each.get("at"), (int, float))
        for each in told.values()
    )
    return told if good else {}
