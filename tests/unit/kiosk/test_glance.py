# SPDX-License-Identifier: EUPL-1.2
"""The park at a glance."""

import pytest

from edge_core.store.replica import Replica
from kiosk import glance


@pytest.mark.parametrize(("told", "shown"), [(None, None), (15, 15), ("many", None)])
def test_the_screen_shows_what_was_told_and_nothing_newer(settings, monkeypatch, told, shown):
    """The last window's rounded count: a number that followed each arrival would give people away."""
    monkeypatch.setattr(glance.control, "ask", lambda *_: {"guests": 12, "told": told})
    assert glance.devices_around(settings) == shown


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
