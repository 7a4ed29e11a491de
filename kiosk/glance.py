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


_OLD = timedelta(hours=12)
"""Age from which a forecast is said to be old."""
_LONGEST_HOUR = timedelta(hours=6)
"""What a later entry of a forecast stands for at most."""


@dataclass(frozen=True)
class Leaving:
    """A departure and the name of its stop."""

    stop: str
    departure: Departure


@dataclass(frozen=True)
class Weather:
    """The present hour of a forecast: whole degrees Celsius, the sky, when it was made, whether that is long ago."""

    temperature: int
    sky: str
    night: bool
    updated: datetime
    old: bool
    credit: str


def weather(content: Replica, now: float) -> Weather | None:
    """Return the forecast of this hour; None where there is none, or none for this hour any more."""
    told = content.get("weather", "forecast") or {}
    updated, this = dates.parse(told.get("updated")), dates.here(now)
    hours = [(dates.parse(hour.get("at")), hour) for hour in told.get("hours", [])]
    begun = [(at, hour) for at, hour in hours if at is not None and at <= this]
    if updated is None or not begun:
        return None
    at, hour = begun[-1]
    last = len(begun) == len(hours)
    if (last and this - at >= timedelta(hours=1)) or this - at >= _LONGEST_HOUR:
        return None
    return Weather(
        temperature=round(hour["temperature"]),
        sky=hour["sky"],
        night=bool(hour.get("night")),
        updated=updated,
        old=this - updated >= _OLD,
        credit=str(told.get("credit", "")),
    )


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
