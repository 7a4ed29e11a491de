# SPDX-License-Identifier: EUPL-1.2
"""Answers to requests: a numbered stream for each device, sent again until the device has it (R-402)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lab.platform import quotas, store
from lab.platform.wire import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.platform.store import Connection

# What a person at the platform may still decide, by the state that the request is in.
DECISIONS = {
    "received": ("accepted", "rejected", "waitlisted"),
    "waitlisted": ("accepted", "rejected"),
    "accepted": ("done",),
    "rejected": (),
    "done": (),
}
_WINDOW = 50
_INSERT = "INSERT INTO replies (device, n, request, state, reason, reference, at)"


def answer(connection: Connection, request: str, state: str, reason: str | None, now: float) -> int | None:
    """Decide and write the reply, in the caller's transaction; return the device, None where it can't be decided so.

    There is no accepting more than there is (R-407).
    """
    # The row is locked, not only read: another consumer, or a person at one, may be deciding it at this moment.
    row = connection.execute(
        "UPDATE requests SET state = state WHERE request = ? RETURNING n, device, state, reference", [request]
    ).fetchone()
    if row is None or state not in DECISIONS[row[2]]:
        return None
    number, device, _, reference = row
    if state == "accepted" and not quotas.take(connection, number):
        return None
    if reference is None and state != "rejected":
        reference = f"P-{number:04d}"
    connection.execute(
        "UPDATE requests SET state = ?, reason = ?, reference = ?, changed = ? WHERE n = ?",
        [state, reason, reference, now, number],
    )
    connection.execute(
        f"{_INSERT} SELECT ?, coalesce(max(n), 0) + 1, ?, ?, ?, ?, ? FROM replies WHERE device = ?",
        [device, request, state, reason, reference, rfc3339(now), device],
    )
    return int(device)


def tell_visit(connection: Connection, device: int, visit: str, told: dict[str, Any], now: float) -> None:
    """Write news of a visit into a device's stream, in the caller's transaction."""
    _tell(connection, "visit", (device, visit), told, now)


def tell_lease(connection: Connection, device: int, lease: str, told: dict[str, Any], now: float) -> None:
    """Write news of a lease into a device's stream, in the caller's transaction."""
    _tell(connection, "lease", (device, lease), told, now)


def _tell(connection: Connection, what: str, about: tuple[int, str], told: dict[str, Any], now: float) -> None:
    device, key = about
    connection.execute(
        f"INSERT INTO replies (device, n, request, state, at, {what})"
        " SELECT ?, coalesce(max(n), 0) + 1, ?, 'accepted', ?, ? FROM replies WHERE device = ?",
        [device, key, rfc3339(now), json.dumps(told), device],
    )


def accept_new(connection: Connection, now: float) -> set[int]:
    """Accept every new request that finds room, in the caller's transaction; return the devices to reply to.

    What finds none goes on the waiting list; what is in doubt waits for a person (R-409).
    """
    waiting = connection.execute("SELECT request FROM requests WHERE state = 'received' AND doubt = 0 ORDER BY n")
    devices = set()
    for (request,) in waiting.fetchall():
        done = answer(connection, request, "accepted", None, now)
        devices.add(answer(connection, request, "waitlisted", None, now) if done is None else done)
    return {device for device in devices if device is not None}


def accept_waiting(connection: Connection, requests: Sequence[str], now: float) -> set[int]:
    """Accept of these requests, first come first, what finds room now; return the devices to reply to."""
    devices = {answer(connection, request, "accepted", None, now) for request in requests}
    return {device for device in devices if device is not None}


def uncovered(connection: Connection, device: int) -> list[tuple[str, bytes]]:
    """Return topic and payload of the next replies that the device has not confirmed."""
    epoch = store.reply_epoch(connection)
    rows = connection.execute(
        "SELECT d.site, d.name, r.n, r.request, r.state, r.reason, r.reference, r.at, r.visit, r.lease FROM replies r"
        " JOIN devices d ON d.id = r.device WHERE r.device = ? AND r.n > d.replied ORDER BY r.n LIMIT ?",
        [device, _WINDOW],
    ).fetchall()
    messages = []
    for site, name, n, *rest, visit, lease in rows:
        body = {
            "n": n,
            "epoch": epoch,
            **dict(zip(("request", "state", "reason", "reference", "at"), rest, strict=True)),
        }
        if visit is not None:
            body["visit"] = json.loads(visit)
        if lease is not None:
            body["lease"] = json.loads(lease)
        messages.append((f"{ROOT}/{site}/{name}/reply/{n}", json.dumps(body, ensure_ascii=False).encode()))
    return messages


def confirm(connection: Connection, device: int, epoch: str, n: int) -> None:
    """Note what the device has; another stream's or a too high number is ignored (R-404)."""
    if epoch == store.reply_epoch(connection):
        connection.execute(
            "UPDATE devices SET replied = ? WHERE id = ? AND replied < ?"
            " AND ? <= (SELECT coalesce(max(n), 0) FROM replies WHERE device = ?)",
            [n, device, n, n, device],
        )


def waiting_devices(connection: Connection) -> list[int]:
    """Return online devices with replies that they have not confirmed."""
    rows = connection.execute(
        "SELECT d.id FROM devices d JOIN streams s ON s.device = d.id AND s.epoch = d.epoch WHERE s.online = 1"
        " AND EXISTS (SELECT 1 FROM replies r WHERE r.device = d.id AND r.n > d.replied)"
    )
    return [row[0] for row in rows]


def rfc3339(now: float) -> str:
    """Write a moment as messages have it."""
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
