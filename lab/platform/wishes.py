# SPDX-License-Identifier: EUPL-1.2
"""Settings that somebody here wishes for on a device, and what it reports of them (R-901 to R-905)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lab.platform.contract import SCHEMAS
from lab.platform.wire import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.platform.store import Connection


def known() -> dict[str, dict[str, Any]]:
    """Return the settings that the contract lists, each with `minimum`, `maximum` and `description`."""
    schema = json.loads((SCHEMAS / "desired.schema.json").read_text(encoding="utf-8"))
    listed: dict[str, dict[str, Any]] = schema["properties"]["settings"]["properties"]
    return listed


def read(form: Mapping[str, str]) -> dict[str, int] | None:
    """Return the wish of a form, empty fields left to the device; None where a value is out of its bounds."""
    wish = {}
    for name, row in known().items():
        text = form.get(name, "").strip()
        if not text:
            continue
        if not text.isdecimal() or not row["minimum"] <= int(text[:10]) <= row["maximum"]:
            return None
        wish[name] = int(text)
    return wish


def ask(connection: Connection, site: str, name: str, settings: dict[str, int], now: float) -> int | None:
    """Write a wish, in the caller's transaction; return the device, None where there is none.

    Its generation is above every one that the device ever reported, also to an earlier store of ours.
    """
    row = connection.execute("SELECT id FROM devices WHERE site = ? AND name = ?", [site, name]).fetchone()
    if row is None:
        return None
    connection.execute(
        "INSERT INTO wishes (device, generation, settings, at) VALUES (?, 1, ?, ?) ON CONFLICT (device) DO UPDATE SET"
        " generation = 1 + CASE WHEN wishes.generation > wishes.reported THEN wishes.generation ELSE wishes.reported"
        " END,"
        " settings = excluded.settings, at = excluded.at",
        [row[0], json.dumps(settings), now],
    )
    return int(row[0])


def note(connection: Connection, device: int, reported: dict[str, Any], now: float) -> None:
    """Keep what a device reports of its settings; without a wish of ours, for the next one's generation."""
    connection.execute(
        "INSERT INTO wishes (device, generation, settings, at, reported, state, reason) VALUES (?, 0, '{}', ?, ?, ?, ?)"
        " ON CONFLICT (device) DO UPDATE SET reported = excluded.reported, state = excluded.state,"
        " reason = excluded.reason",
        [device, now, int(reported["generation"]), reported["state"], reported["reason"]],
    )


def waiting(connection: Connection, device: int) -> list[tuple[str, bytes]]:
    """Return the wish that the device has not reported yet, as topic and payload, or nothing."""
    rows = connection.execute(
        "SELECT d.site, d.name, w.generation, w.settings FROM wishes w JOIN devices d ON d.id = w.device"
        " WHERE w.device = ? AND w.generation > w.reported",
        [device],
    ).fetchall()
    return [
        (
            f"{ROOT}/{site}/{name}/desired",
            json.dumps({"generation": generation, "settings": json.loads(settings)}).encode(),
        )
        for site, name, generation, settings in rows
    ]


def shown(connection: Connection, device: int) -> dict[str, Any] | None:
    """Return a device's wish and what became of it; None before the first.

    `state` is "waiting" until the device reports this generation.
    """
    row = connection.execute(
        "SELECT generation, settings, reported, state, reason FROM wishes WHERE device = ?", [device]
    ).fetchone()
    if row is None:
        return None
    waits = row["generation"] > row["reported"]
    return {
        "generation": row["generation"],
        "settings": json.loads(row["settings"]),
        "state": "waiting" if waits else row["state"],
        "reason": None if waits else row["reason"],
    }
