# SPDX-License-Identifier: EUPL-1.2
"""When a session is idle."""

from gateway_agent.idle import Watch


def test_a_session_that_sends_nothing_is_over_after_the_time_and_not_before():
    """The time counts from the last packet that was seen, by looks at any distance."""
    watch = Watch()
    assert watch.judge({1: 5, 2: 5}, 60, 0.0) == []
    assert watch.judge({1: 5, 2: 6}, 60, 59.9) == []
    assert watch.judge({1: 5, 2: 6}, 60, 60.0) == [1]
    assert watch.judge({2: 6}, 60, 119.8) == []
    assert watch.judge({2: 6}, 60, 120.0) == [2]


def test_each_packet_gives_the_whole_time_again():
    """A device that speaks now and then is never over; a count that falls (another counting) is speech too."""
    watch = Watch()
    for moment, packets in ((0, 1), (50, 2), (100, 3), (150, 1)):
        assert watch.judge({1: packets}, 60, float(moment)) == []
    assert watch.judge({1: 1}, 60, 210.0) == [1]


def test_a_session_that_is_seen_for_the_first_time_has_all_its_time():
    """Neither a new session nor a new agent counts silence that nobody saw."""
    watch = Watch()
    watch.judge({}, 60, 0.0)
    assert watch.judge({7: 0}, 60, 1000.0) == []
    assert watch.judge({7: 0}, 60, 1060.0) == [7]
