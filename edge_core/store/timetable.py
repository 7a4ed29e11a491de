# SPDX-License-Identifier: EUPL-1.2
"""Next departures of a stop, decided from its record and a clock; pure, reads no file.

A departure is {line, headsign, time "HH:MM", days [1…7 = Monday…Sunday], from, to, except [dates], also [dates]}.
`time` counts from the start of the service day and may pass 24:00 (GTFS Schedule reference, stop_times.txt).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

DEFAULT_ZONE = "Europe/Paris"
_HORIZON = 86_400.0  # seconds: further ahead, a timetable says more than a countdown


@dataclass(frozen=True)
class Departure:
    """One departure: `at` in the stop's time zone, `minutes` from now rounded down."""

    at: datetime
    line: str
    headsign: str
    minutes: int


def upcoming(stop: dict[str, Any], now: float, limit: int) -> list[Departure]:
    """Return the departures of `stop` within a day of `now` (epoch seconds), soonest first, at most `limit`."""
    zone = ZoneInfo(stop.get("timezone", DEFAULT_ZONE))
    today = datetime.fromtimestamp(now, zone).date()
    found = [
        (moment, row)
        for row in stop.get("departures", [])
        for day in (today + timedelta(days=offset) for offset in (-1, 0, 1))
        if runs(row, day) and now <= (moment := _moment(day, row["time"], zone)) < now + _HORIZON
    ]
    found.sort(key=lambda each: (each[0], each[1]["line"], each[1]["headsign"]))
    return [
        Departure(datetime.fromtimestamp(moment, zone), row["line"], row["headsign"], int((moment - now) // 60))
        for moment, row in found[:limit]
    ]


def runs(row: dict[str, Any], day: date) -> bool:
    """Tell whether a departure of the timetable runs on the service day `day`."""
    written = day.isoformat()
    if written in row.get("except", ()):
        return False
    in_period = row.get("from", "") <= written <= row.get("to", "9999-12-31")
    return written in row.get("also", ()) or (in_period and day.isoweekday() in row["days"])


def _moment(day: date, time: str, zone: ZoneInfo) -> float:
    """GTFS counts times from noon minus 12 h, which differs from midnight on days when the clocks change."""
    hours, minutes = (int(part) for part in time.split(":")[:2])
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=zone)
    return noon.timestamp() + (hours - 12) * 3600 + minutes * 60
