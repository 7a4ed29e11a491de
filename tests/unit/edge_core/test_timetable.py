# SPDX-License-Identifier: EUPL-1.2
"""Which departure comes next."""

from datetime import datetime

import pytest

from edge_core.store import timetable


def at(written):
    return datetime.fromisoformat(written).timestamp()


def stop(*rows):
    weekdays = {"line": "1", "headsign": "Gare", "days": [1, 2, 3, 4, 5]}
    return {"id": "s", "departures": [{**weekdays, **row} for row in rows]}


def test_the_next_departures_in_order():
    """Soonest first, those gone left out, minutes rounded down."""
    record = stop({"time": "09:30"}, {"time": "09:10"}, {"time": "08:59"})
    found = timetable.upcoming(record, at("2026-12-01T09:00:30+01:00"), 2)
    assert [(each.at.strftime("%H:%M"), each.minutes) for each in found] == [("09:10", 9), ("09:30", 29)]


def test_after_midnight_belongs_to_the_day_before():
    """25:10 of Monday is at ten past one on Tuesday, and does not run in the night to Monday."""
    record = stop({"time": "25:10", "days": [1]})
    assert timetable.upcoming(record, at("2026-12-01T00:30:00+01:00"), 5)[0].minutes == 40
    sunday_night = timetable.upcoming(record, at("2026-11-30T00:30:00+01:00"), 5)
    assert sunday_night == []


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({}, 1),
        ({"days": [7]}, 0),
        ({"from": "2026-12-02"}, 0),
        ({"to": "2026-11-30"}, 0),
        ({"except": ["2026-12-01"]}, 0),
        ({"days": [7], "also": ["2026-12-01"]}, 1),
    ],
)
def test_a_departure_runs_on_its_days_only(row, expected):
    """Weekdays, period, and the exceptions of the calendar."""
    found = timetable.upcoming(stop({"time": "10:00", **row}), at("2026-12-01T09:00:00+01:00"), 5)
    assert len([each for each in found if each.at.date().isoformat() == "2026-12-01"]) == expected


def test_times_count_from_noon_when_clocks_change():
    """On the night when the clock is put forward, 10:00 is still 10:00 by the clock on the wall (GTFS)."""
    found = timetable.upcoming(stop({"time": "10:00", "days": [7]}), at("2027-03-28T00:30:00+01:00"), 1)
    assert found[0].at.isoformat() == "2027-03-28T10:00:00+02:00"
