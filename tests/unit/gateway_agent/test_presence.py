# SPDX-License-Identifier: EUPL-1.2
"""Counting without telling who."""

from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.presence import Presence, told


def people(first, last):
    return {f"02:50:00:00:00:{n:02x}" for n in range(first, last)}


def look(presence, here, online, now):
    """Observe, and write down the windows that have closed."""
    windows = presence.observe(here, online, now)
    presence.recorded(len(windows))
    return windows


def test_a_window_waits_until_it_is_written_down():
    """A window that found no room on the disk is told with the next ones; a day of them is kept, no more."""
    presence = Presence(300, 0, 1)
    presence.observe(people(0, 20), 5, 0.0)
    (first,) = presence.observe(people(0, 20), 5, 300.0)
    again = presence.observe(people(0, 20), 5, 600.0)
    assert again[0] == first
    assert len(again) == 2
    presence.recorded(1)
    assert presence.observe(people(0, 20), 5, 601.0) == again[1:]
    for number in range(3, 400):
        waiting = presence.observe(people(0, 20), 5, 300.0 * number)
    assert len(waiting) == 288
    assert waiting[-1].start == 300 * 398


def test_a_window_tells_most_at_once_arrivals_and_departures():
    """Counts are of the window; who was there at the start of the agent has not arrived."""
    presence = Presence(300, 0, 1)
    assert look(presence, people(0, 20), 5, 900.0) == []
    assert look(presence, people(0, 32), 9, 1000.0) == []
    assert look(presence, people(12, 32), 4, 1199.0) == []
    (window,) = look(presence, people(12, 32), 4, 1200.0)
    assert (window.zone, window.start, window.seconds) == ("guests", 900, 300)
    assert (window.associated, window.online, window.arrivals, window.departures) == (32, 9, 12, 12)
    (window,) = look(presence, people(12, 33), 4, 1500.0)
    assert (window.start, window.associated, window.arrivals, window.departures) == (1200, 20, 0, 0)


def test_small_groups_are_not_told():
    """Below the minimum a count is withheld, zero too: nothing is said about single people."""
    presence = Presence(300, 10, 5)
    look(presence, set(), 0, 0.0)
    look(presence, people(0, 13), 9, 1.0)
    (window,) = look(presence, set(), 0, 300.0)
    assert (window.associated, window.online, window.arrivals, window.departures) == (15, None, 15, None)


@given(st.integers(0, 20000), st.integers(0, 50), st.integers(0, 50))
def test_a_told_count_is_a_multiple_near_the_truth(count, minimum, rounding):
    """What is told is never below the minimum's group, and at most half a step from the truth."""
    answer = told(count, minimum, rounding)
    step = max(1, rounding)
    assert (answer is None) == (count < minimum)
    assert answer is None or (answer % step == 0 and abs(answer - count) <= step / 2)


@given(st.lists(st.tuples(st.sets(st.integers(0, 30)), st.integers(0, 400)), max_size=30))
def test_arrivals_and_departures_account_for_who_is_here(looks):
    """Over all windows: at first + arrivals - departures = at last; a clock that jumps breaks nothing."""
    presence, now, windows = Presence(300, 0, 1), 0.0, []
    for here, seconds in [*looks, (set(), 300)]:
        windows += look(presence, {str(n) for n in here}, 0, now)
        now += seconds
    last = {str(n) for n in (looks[-1][0] if looks else ())}
    windows += look(presence, last, 0, now + 300)
    windows += look(presence, last, 0, now + 700)
    first = len(looks[0][0]) if looks else 0
    assert first + sum(w.arrivals for w in windows) - sum(w.departures for w in windows) == len(last)
