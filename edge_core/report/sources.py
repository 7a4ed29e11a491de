# SPDX-License-Identifier: EUPL-1.2
"""Where a report's events come from: a platform's, as JSON lines of the contract, or what a lone device still has."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from edge_core.errors import ParvisError
from edge_core.report.figures import Told
from edge_core.store import outbox

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

_PREFIX = "eu.parvis."
_OF_OUTBOX = ("usage.searches", "health.quality", "health.gap")


def of_platform(file: Path, since: float, until: float, site: str) -> Iterator[Told]:
    """Yield a site's events of a time, from a file of one CloudEvent a line. Raises ParvisError naming the line."""
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                told = _told(line, file, number, site)
                if told is not None and since <= told.at < until:
                    yield told
    except OSError as error:
        raise ParvisError(f"{file}: can't be read ({error.strerror}).", remedy="Give a file that is there.") from error


def _told(line: str, file: Path, number: int, site: str) -> Told | None:
    if not line.strip():
        return None
    try:
        event = json.loads(line)
        kind, at, data = str(event["type"]), datetime.fromisoformat(event["time"]).timestamp(), event["data"]
        ours = event["source"].split("/")[1] == site
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise ParvisError(
            f"{file}, line {number}: is no event of the contract.",
            remedy="One CloudEvent as JSON a line; `python -m lab.platform.export` writes them.",
        ) from error
    known = kind.startswith(_PREFIX) and isinstance(data, dict)
    return Told(kind.removeprefix(_PREFIX).rpartition(".")[0], at, data) if ours and known else None


def of_device(edge: sqlite3.Connection, since: float, until: float) -> Iterator[Told]:
    """Yield what this device has kept of a time: windows, sessions, requests; and what still waits in its outbox."""
    for row in edge.execute("SELECT * FROM series WHERE start >= ? AND start < ?", [int(since), int(until)]):
        window = dict(row)
        window["access_point"] = window["access_point"] or None
        yield Told("presence.window", window["start"], window)
    ended = (
        "SELECT plan, ended_at, up_bytes, down_bytes FROM grants JOIN usage ON grant_id = grants.id"
        " WHERE closed AND coalesce(ended_at, expires_at) >= ? AND coalesce(ended_at, expires_at) < ?"
    )
    for row in edge.execute(ended, [since, until]):
        yield Told("session.ended", since, dict(row))
    asked = "SELECT kind FROM requests WHERE created_at >= ? AND created_at < ?"
    for row in edge.execute(asked, [since, until]):
        yield Told("request.created", since, dict(row))
    for _, _, body in outbox.read_after(edge, 0, 1_000_000):
        event = json.loads(body)
        kind = event["type"].removeprefix(_PREFIX).rpartition(".")[0]
        at = datetime.fromisoformat(event["time"]).timestamp()
        if kind in (*_OF_OUTBOX, "survey.answered") and since <= at < until:
            yield Told(kind, at, event["data"])
