# SPDX-License-Identifier: EUPL-1.2
"""What people who look after a gateway do of sessions: list, end, extend, block; for `parvis` and the device page.

The store is told first, then the agent over its socket: where it is away, it enforces what it finds when it is back.
"""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_core import clock, control, gateway_key
from edge_core.errors import ParvisError
from edge_core.store import database, followed, grants, usage

if TYPE_CHECKING:
    import sqlite3

    from edge_core.settings import Settings
    from edge_core.store.grants import Grant

_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
LONGEST = 7 * 24 * 60
"""Minutes by which a session can be extended at once."""


@dataclass(frozen=True)
class Row:
    """A session as the person reads it; the MAC stays on this device."""

    mac: str
    address: str
    session: str
    plan: str
    remaining_seconds: int
    up_bytes: int
    down_bytes: int
    zone: str


def mac_address(text: str) -> str:
    """Return a MAC address as the store has it. Raises ParvisError for anything else."""
    address = text.strip().lower().replace("-", ":")
    if not _MAC.fullmatch(address):
        raise ParvisError(f"{text!r} is not a MAC address.", remedy="Write it like aa:bb:cc:dd:ee:ff.")
    return address


def rows(settings: Settings) -> list[Row]:
    """Return the sessions that hold; traffic as the agent counts it now, or as it wrote it down when it is away."""
    now = clock.now()
    with closing(database.open_edge(settings.edge_db)) as connection:
        recorded, held = usage.load(connection), grants.active(connection, now)
    return _rows(held, recorded, control.ask(settings.agent_socket, {"op": "status"}), now)


def first(settings: Settings) -> list[Row]:
    """Return the first `control.PAGE` sessions that hold, at a cost that doesn't grow with the park."""
    now = clock.now()
    with closing(database.open_edge(settings.edge_db)) as connection:
        held = grants.active(connection, now, control.PAGE)
        recorded = {grant.id: usage.of_grant(connection, grant.id) for grant in held}
    return _rows(held, recorded, control.ask(settings.agent_socket, {"op": "page"}), now)


def _rows(held: list[Grant], recorded: dict[int, usage.Usage], answer: dict[str, Any] | None, now: float) -> list[Row]:
    live = {row["mac"]: row for row in (answer or {}).get("sessions", [])}
    return [_row(grant, live.get(grant.mac), recorded.get(grant.id, usage.Usage()), now) for grant in held]


def end(settings: Settings, which: str) -> tuple[Grant, bool]:
    """End the session of a device (its MAC) or of that id; return it, and whether the agent has enforced it."""
    with closing(database.open_edge(settings.edge_db)) as connection:
        grant = _meant(connection, which)
        grants.end(connection, grant.mac, "operator", clock.now())
    return grant, control.nudge(settings.agent_socket)


def extend(settings: Settings, which: str, minutes: int) -> tuple[Grant, bool]:
    """Let a session last so many minutes longer; return it as it is then, and whether the agent has enforced it."""
    if not 1 <= minutes <= LONGEST:
        raise ParvisError(f"A session can't be extended by {minutes} minutes.", remedy=f"Give 1 to {LONGEST}.")
    with closing(database.open_edge(settings.edge_db)) as connection:
        grant = _meant(connection, which)
        until = grant.expires_at + minutes * 60
        longer = grants.extend(connection, grant.mac, until, grant.extended + 1, clock.now())
    if longer is None:
        raise ParvisError(f"The session {grant.session} was over a moment ago.")
    return longer, control.nudge(settings.agent_socket)


def block(settings: Settings, which: str) -> tuple[str, bool]:
    """Shut out the device of a session, or of a MAC; return its address, and whether it was let in until now."""
    with closing(database.open_edge(settings.edge_db)) as store:
        mac = mac_address(which) if _is_mac(which) else _meant(store, which).mac
        fresh = followed.block(store, mac, clock.now(), whole(settings))
    control.nudge(settings.agent_socket)
    return mac, fresh


def whole(settings: Settings) -> followed.Site | None:
    """Return the site for which a word on a device counts; None where this gateway stands alone."""
    key = gateway_key.load(settings)
    return followed.Site(key, settings.device.id) if key else None


def _meant(connection: sqlite3.Connection, which: str) -> Grant:
    """Return the session that is meant by a MAC or by (the beginning of) its id. Raises ParvisError."""
    held = grants.active(connection, clock.now())
    if _is_mac(which):
        mac = mac_address(which)
        found = [grant for grant in held if grant.mac == mac]
        what = f"The device {mac} has no session."
    else:
        found = [grant for grant in held if grant.session == which]
        what = f"There is no session {which!r}."
    if not found:
        raise ParvisError(what, remedy="`parvis sessions list` shows those that there are.")
    return found[0]


def _is_mac(text: str) -> bool:
    """Tell a MAC address, whatever is wrong with it, from a session's id (UUID)."""
    return not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text)


def _row(grant: Grant, live: dict[str, Any] | None, recorded: usage.Usage, now: float) -> Row:
    address, up, down = "", recorded.up_bytes, recorded.down_bytes
    if live:
        address, up, down = live["address"] or "", live["up_bytes"], live["down_bytes"]
    return Row(grant.mac, address, grant.session, grant.plan, round(grant.remaining(now)), up, down, grant.zone)


def summary(settings: Settings, answer: dict[str, Any]) -> dict[str, Any]:
    """Return how many sessions hold now, and their traffic: as the agent's answer has it, or as it wrote it down."""
    with closing(database.open_edge(settings.edge_db)) as connection:
        count, *recorded = usage.of_active(connection, clock.now())
    up_bytes, down_bytes = answer.get("traffic") or recorded
    return {"active": count, "up_bytes": up_bytes, "down_bytes": down_bytes}
