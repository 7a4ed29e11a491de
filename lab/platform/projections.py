# SPDX-License-Identifier: EUPL-1.2
"""What events mean: sessions, presence, requests, leases, visits. Each is keyed by its own id, so no order matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.platform import leasing, store, wire

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lab.platform.contract import Event
    from lab.platform.store import Connection


def apply(connection: Connection, name: str, group: Sequence[tuple[int, Event]], now: float) -> None:
    """Apply valid events of one known type, each with its device, inside the caller's transaction at `now`."""
    follow = _FOLLOWERS.get(name)
    if follow is not None:
        follow(connection, group, now)


def _started(connection: Connection, group: Sequence[tuple[int, Event]], _now: float) -> None:
    # The last of a session counts, and one statement must not change a row twice.
    rows = {(device, e.data["session"]): (device, e.data["session"], e.data["plan"], e.at) for device, e in group}
    tail = "ON CONFLICT (device, session) DO UPDATE SET started = excluded.started, plan = excluded.plan"
    store.write_rows(connection, "sessions", "device, session, plan, started", list(rows.values()), tail)


def _ended(connection: Connection, group: Sequence[tuple[int, Event]], _now: float) -> None:
    told = ("reason", "duration", "up_bytes", "down_bytes")
    rows = {
        (device, e.data["session"]): (device, e.data["session"], e.data["plan"], e.at, *(e.data[key] for key in told))
        for device, e in group
    }
    tail = (
        "ON CONFLICT (device, session) DO UPDATE SET ended = excluded.ended, reason = excluded.reason,"
        " duration = excluded.duration, up_bytes = excluded.up_bytes, down_bytes = excluded.down_bytes"
    )
    columns = "device, session, plan, ended, reason, duration, up_bytes, down_bytes"
    store.write_rows(connection, "sessions", columns, list(rows.values()), tail)


def _window(connection: Connection, group: Sequence[tuple[int, Event]], _now: float) -> None:
    told = ("zone", "start", "seconds", "observed", "doubt", "associated", "online", "arrivals", "departures")
    rows = [(device, e.data["access_point"] or "", *(e.data[key] for key in told)) for device, e in group]
    columns = f"device, access_point, {', '.join(told)}"
    store.write_rows(connection, "presence", columns, rows, "ON CONFLICT DO NOTHING")


def _requested(connection: Connection, group: Sequence[tuple[int, Event]], now: float) -> None:
    """Create each request once, whatever number it comes under (R-401); the answer is another module's."""
    rows = {
        e.data["request"]: (
            e.data["request"], device, e.data["kind"], e.data["subject"], wire.written(e.data["data"]),
            e.data["place"], e.at, "received", e.data.get("lease"), e.data.get("units"), now,
        )
        for device, e in reversed(group)  # the first counts, and one statement must not change a row twice
    }  # fmt: skip
    columns = "request, device, kind, subject, data, place, at, state, lease, units, changed"
    told = ", ".join(
        f"{name} = excluded.{name}" for name in ("kind", "subject", "data", "place", "at", "lease", "units", "changed")
    )
    tail = f"ON CONFLICT (request) DO UPDATE SET {told} WHERE requests.kind = ''"  # the reception's word came first
    store.write_rows(connection, "requests", columns, list(reversed(rows.values())), tail)


def _settled(connection: Connection, group: Sequence[tuple[int, Event]], now: float) -> None:
    """Take over what the reception decided itself: nothing is left to answer."""
    rows = {
        e.data["request"]: (
            e.data["request"], device, "", "", "{}", e.data["place"], e.at, e.data["state"], e.data["reason"],
            now,
        )
        for device, e in group
    }  # fmt: skip
    columns = "request, device, kind, subject, data, place, at, state, reason, changed"
    told = ", ".join(f"{name} = excluded.{name}" for name in ("state", "reason", "changed"))
    tail = f"ON CONFLICT (request) DO UPDATE SET {told}"
    store.write_rows(connection, "requests", columns, list(rows.values()), tail)


def _returned(connection: Connection, group: Sequence[tuple[int, Event]], _now: float) -> None:
    for device, event in group:
        leasing.returned(connection, device, event.data["lease"], int(event.data["used"]))


def _arrived(connection: Connection, group: Sequence[tuple[int, Event]], now: float) -> None:
    told = ("company", "host", "name", "people", "place")
    rows = {
        e.data["visit"]: (device, e.data["visit"], *(e.data[key] for key in told), e.at, e.data["host"] and "host", now)
        for device, e in group
    }
    tail = "ON CONFLICT (visit) DO UPDATE SET " + ", ".join(
        f"{name} = excluded.{name}" for name in ("device", *told, "arrived", "changed")
    )
    columns = "device, visit, company, host, name, people, place, arrived, asked, changed"
    store.write_rows(connection, "visits", columns, list(rows.values()), tail)


def _asked(connection: Connection, group: Sequence[tuple[int, Event]], now: float) -> None:
    rows = {
        e.data["visit"]: (device, e.data["visit"], e.data["asked"], e.data["reason"], e.at, now) for device, e in group
    }
    tail = (
        "ON CONFLICT (visit) DO UPDATE SET asked = excluded.asked, reason = excluded.reason,"
        " asked_at = excluded.asked_at, changed = excluded.changed"
        " WHERE coalesce(visits.asked_at, 0) <= excluded.asked_at"
    )
    store.write_rows(connection, "visits", "device, visit, asked, reason, asked_at, changed", list(rows.values()), tail)


def _left(connection: Connection, group: Sequence[tuple[int, Event]], now: float) -> None:
    rows = {e.data["visit"]: (device, e.data["visit"], e.at, e.data["how"], now) for device, e in group}
    tail = (
        "ON CONFLICT (visit) DO UPDATE SET left_at = excluded.left_at, how = excluded.how, changed = excluded.changed"
    )
    store.write_rows(connection, "visits", "device, visit, left_at, how, changed", list(rows.values()), tail)


_FOLLOWERS: dict[str, Callable[[Connection, Sequence[tuple[int, Event]], float], None]] = {
    "eu.parvis.session.started.v1": _started,
    "eu.parvis.session.ended.v1": _ended,
    "eu.parvis.presence.window.v1": _window,
    "eu.parvis.request.created.v1": _requested,
    "eu.parvis.request.created.v2": _requested,
    "eu.parvis.request.settled.v1": _settled,
    leasing.RETURNED: _returned,
    "eu.parvis.visit.arrived.v1": _arrived,
    "eu.parvis.visit.asked.v1": _asked,
    "eu.parvis.visit.left.v1": _left,
}
