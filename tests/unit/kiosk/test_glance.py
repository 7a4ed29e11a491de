# SPDX-License-Identifier: EUPL-1.2
"""The park at a glance."""

import pytest

from edge_core.store.replica import Replica
from kiosk import glance


@pytest.mark.parametrize(
    ("count", "shown"), [(0, None), (9, None), (10, 10), (12, 10), (13, 15), (None, None), ("many", None)]
)
def test_few_devices_are_not_told_and_many_are_rounded(settings, count, shown):
    """A group too small to hide in isn't counted on a public screen."""
    assert glance.rounded(count, settings) == shown


def test_without_a_gateway_nobody_is_counted(settings):
    """A kiosk alone says nothing rather than zero."""
    assert glance.devices_around(settings) is None


def test_todays_events_come_before_later_ones(settings, now):
    """Today's are shown alone; a day without any shows the next."""
    content = Replica(settings.content_db)
    found, today = glance.next_events(content, now, 5)
    assert ([event["id"] for event in found], today) == (["cafe"], True)
    found, today = glance.next_events(content, now + 86_400, 5)
    assert ([event["id"] for event in found], today) == (["atelier"], False)


def test_departures_of_all_stops_are_one_list(settings, now):
    """Soonest first."""
    found = glance.next_departures(Replica(settings.content_db), now, 3)
    assert [leaving.stop for leaving in found] == ["Parvis Exemple"] * 3
    assert [leaving.departure.at for leaving in found] == sorted(leaving.departure.at for leaving in found)
