# SPDX-License-Identifier: EUPL-1.2
"""What events mean: sessions, presence and requests. Each is keyed by its own id, so order and repeats don't matter."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from lab.platform.contract import Event


def apply(connection: sqlite3.Connection, device: int, name: str, group: Sequence[Event]) -> None:
    """Apply valid events of one known type, inside the caller's transaction."""
    follow = _FOLLOWERS.get(name)
    if follow is not None:
        follow(connection, device, group)


def _started(connection: sqlite3.Connection, device: int, group: Sequence[Event]) -> None:
    connection.executemany(
        "INSERT INTO sessions (device, session, plan, started) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET started = excluded.started, plan = excluded.plan",
        [(device, event.data["session"], event.data["plan"], event.at) for event in group],
    )


def _ended(connection: sqlite3.Connection, device: int, group: Sequence[Event]) -> None:
    connection.executemany(
        "INSERT INTO sessions (device, session, plan, ended, reason, duration, up_bytes, down_bytes)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET ended = excluded.ended, reason = excluded.reason,"
        " duration = excluded.duration, up_bytes = excluded.up_bytes, down_bytes = excluded.down_bytes",
        [
            (device, e.data["session"], e.data["plan"], e.at,
             *(e.data[key] for key in ("reason", "duration", "up_bytes", "down_bytes")))
            for e in group
        ],
    )  # fmt: skip


def _window(connection: sqlite3.Connection, device: int, group: Sequence[Event]) -> None:
    connection.executemany(
        "INSERT INTO presence VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [
            (device, *(event.data[key] for key in ("zone", "start", "seconds", "associated", "online")))
            for event in group
        ],
    )


def _requested(connection: sqlite3.Connection, device: int, group: Sequence[Event]) -> None:
    """Create each request once, whatever number it comes under (R-401); the answer is another module's."""
    connection.executemany(
        "INSERT INTO requests (request, device, kind, subject, data, place, at, state)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 'received') ON CONFLICT DO NOTHING",
        [
            (
                e.data["request"],
                device,
                e.data["kind"],
                e.data["subject"],
                json.dumps(e.data["data"]),
                e.data["place"],
                e.at,
            )
            for e in group
        ],
    )


_FOLLOWERS: dict[str, Callable[[sqlite3.Connection, int, Sequence[Event]], None]] = {
    "eu.parvis.session.started.v1": _started,
    "eu.parvis.session.ended.v1": _ended,
    "eu.parvis.presence.window.v1": _window,
    "eu.parvis.request.created.v1": _requested,
}
