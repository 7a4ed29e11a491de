# SPDX-License-Identifier: EUPL-1.2
"""The park at a glance: what is on, what leaves next, what is new. Reads only the local store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from edge_core.web import dates

if TYPE_CHECKING:
    from edge_core.store.replica import Record, Replica
    from edge_core.store.timetable import Departure


@dataclass(frozen=True)
class Leaving:
    """A departure and the name of its stop."""

    stop: str
    departure: Departure


def events_today(content: Replica, now: float) -> list[Record]:
    """Return today's events that aren't over, soonest first."""
    midnight = dates.here(now).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return [event for event in content.events_from(now, 50) if _starts(event) < midnight]


def next_events(content: Replica, now: float, limit: int) -> tuple[list[Record], bool]:
    """Return today's events, or where there are none the next ones; and whether they are today's."""
    today = events_today(content, now)
    return (today[:limit], True) if today else (content.events_from(now, limit), False)


def next_departures(content: Replica, now: float, limit: int) -> list[Leaving]:
    """Return the next departures of all stops, soonest first."""
    found = [
        Leaving(str(stop.get("name", "")), departure)
        for stop in content.list("stops")
        for departure in content.departures(stop["id"], now, limit)
    ]
    return sorted(found, key=lambda leaving: leaving.departure.at)[:limit]


def _starts(event: Record) -> datetime:
    return dates.parse(event.get("start")) or datetime.max.replace(tzinfo=dates.ZONE)
