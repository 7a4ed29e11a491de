# SPDX-License-Identifier: EUPL-1.2
"""Reads stops and their departures from a GTFS Schedule folder (gtfs/*.txt; gtfs.org/documentation/schedule)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sync.publish import rows, tables

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sync.publish.problems import Problems
    from sync.publish.rows import Row

_WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TIME = (re.compile(r"\d{1,2}:[0-5]\d:[0-5]\d"), "a time such as 07:30:00")
_DATE = (re.compile(r"20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"), "a date such as 20270131")


def stops(folder: Path, problems: Problems) -> list[dict[str, Any]]:
    """Return the stops with their departures; none when there is no gtfs folder."""
    here = folder / "gtfs"
    if not here.is_dir():
        return []
    zone = _zone(here, problems)
    routes = {row.text("route_id"): _line(row) for row in _table(here, "routes", ["route_id"], problems)}
    trips = {row.text("trip_id"): row for row in _table(here, "trips", ["route_id", "service_id", "trip_id"], problems)}
    services = _services(here, problems)
    for row in trips.values():
        _require(row, "route_id", routes)
        _require(row, "service_id", services)
    departures = _departures(here, trips, routes, services, problems)
    found = {}
    for row in _table(here, "stops", ["stop_id", "stop_name", "stop_lat", "stop_lon"], problems):
        found[row.text("stop_id", required=True)] = _stop(row, zone, departures.pop(row.text("stop_id"), []))
    for row_of in departures.values():
        row_of[0][0].wrong(f'the stop "{row_of[0][0].text("stop_id")}" is not in stops.txt.', "Add it there.")
    return list(found.values())


def _table(folder: Path, name: str, columns: Sequence[str], problems: Problems) -> list[Row]:
    path = folder / f"{name}.txt"
    if not path.is_file():
        problems.add(f"gtfs/{path.name}", 0, "this file of GTFS is missing.", "Export the timetable again, complete.")
        return []
    return tables.read_csv(path, f"gtfs/{path.name}", columns, problems, lax=True)


def _require(row: Row, column: str, known: dict[str, Any]) -> None:
    if row.text(column) not in known:
        row.wrong(f'the {column} "{row.text(column)}" is not defined.', "Define it in its file, or correct it here.")


def _zone(folder: Path, problems: Problems) -> str:
    for row in _table(folder, "agency", ["agency_timezone"], problems):
        name = row.text("agency_timezone")
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            row.wrong(f'the time zone "{name}" is unknown.', "Write one such as Europe/Paris.")
        else:
            return name
    return "Europe/Paris"


def _line(row: Row) -> str:
    return row.text("route_short_name") or row.text("route_long_name")


def _date(row: Row, column: str) -> str:
    value = row.matching(column, _DATE)
    return f"{value[:4]}-{value[4:6]}-{value[6:]}" if value else ""


def _services(folder: Path, problems: Problems) -> dict[str, dict[str, Any]]:
    """Return the service days by service_id, in the terms of a stop's record."""
    found: dict[str, dict[str, Any]] = {}
    if (folder / "calendar.txt").is_file():
        for row in _table(folder, "calendar", ["service_id", *_WEEK, "start_date", "end_date"], problems):
            days = [number for number, day in enumerate(_WEEK, 1) if row.choice(day, ("0", "1")) == "1"]
            period = {"from": _date(row, "start_date"), "to": _date(row, "end_date")}
            found[row.text("service_id")] = {"days": days, **period, "except": [], "also": []}
    if (folder / "calendar_dates.txt").is_file():
        for row in _table(folder, "calendar_dates", ["service_id", "date", "exception_type"], problems):
            empty: dict[str, Any] = {"days": [], "from": "", "to": "", "except": [], "also": []}
            service = found.setdefault(row.text("service_id"), empty)
            kind = "also" if row.choice("exception_type", ("1", "2")) == "1" else "except"
            service[kind].append(_date(row, "date"))
    if not found:
        problems.add("gtfs/calendar.txt", 0, "no service is defined.", "Add calendar.txt or calendar_dates.txt.")
    return found


def _departures(
    folder: Path, trips: dict[str, Row], routes: dict[str, str], services: dict[str, dict[str, Any]], problems: Problems
) -> dict[str, list[tuple[Row, dict[str, Any]]]]:
    """Return the departures by stop_id. Nobody departs from the last stop of a trip."""
    times = _table(folder, "stop_times", ["trip_id", "departure_time", "stop_id", "stop_sequence"], problems)
    order = [(row, row.whole("stop_sequence", 0, 1_000_000) or 0) for row in times]
    last: dict[str, int] = {}
    for row, sequence in order:
        last[row.text("trip_id")] = max(sequence, last.get(row.text("trip_id"), 0))
    found: dict[str, list[tuple[Row, dict[str, Any]]]] = {}
    for row, sequence in order:
        trip = trips.get(row.text("trip_id"))
        if trip is None:
            _require(row, "trip_id", trips)
        elif trip.text("service_id") in services and row.text("pickup_type") != "1":
            leaves = sequence != last[row.text("trip_id")]
            entry = _departure(row, trip, routes, services[trip.text("service_id")])
            found.setdefault(row.text("stop_id"), []).append((row, entry if leaves else {}))
    return found


def _departure(row: Row, trip: Row, routes: dict[str, str], service: dict[str, Any]) -> dict[str, Any]:
    written = row.matching("departure_time", _TIME)
    return {
        "line": routes.get(trip.text("route_id"), ""),
        "headsign": row.text("stop_headsign") or trip.text("trip_headsign"),
        "time": written[:-3].zfill(5),
        **{key: value for key, value in service.items() if value},
        "days": service["days"],
    }


def _stop(row: Row, zone: str, departures: list[tuple[Row, dict[str, Any]]]) -> dict[str, Any]:
    leaving = [entry for _, entry in departures if entry]
    return {
        "id": rows.slug_of(row.text("stop_id")),
        "name": row.text("stop_name", required=True),
        "lat": row.number("stop_lat", -90, 90),
        "lon": row.number("stop_lon", -180, 180),
        "timezone": zone,
        "departures": sorted(leaving, key=lambda each: (each["time"], each["line"], each["headsign"])),
    }
