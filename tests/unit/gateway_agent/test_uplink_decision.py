# SPDX-License-Identifier: EUPL-1.2
"""When a way to the Internet counts as open, and which of two is taken."""

from gateway_agent.uplink_decision import ROUNDS_DOWN, ROUNDS_UP, Way, prefer_second


def fed(*answers):
    way = Way()
    for number, seconds in enumerate(answers):
        way.observe(seconds, 1000.0 + number)
    return way


def test_one_lost_round_is_no_outage_and_three_are():
    """A way shuts at the third silent round in a row, and says since when."""
    assert fed(0.02, None, None, 0.02, None, None).up is True
    way = fed(0.02, None, None, None)
    assert (way.up, way.since) == (False, 1003.0)


def test_a_flapping_way_stays_shut():
    """It comes back only after as many good rounds in a row as it takes."""
    assert fed(*[None] * ROUNDS_DOWN, *[0.02, 0.02, None] * 5).up is False
    assert fed(*[None] * ROUNDS_DOWN, *[0.02] * (ROUNDS_UP - 1)).up is False
    assert fed(*[None] * ROUNDS_DOWN, *[0.02] * ROUNDS_UP).up is True


def test_nothing_is_said_before_enough_was_seen():
    """At start one answer says "open"; silence has to last, and answers before it don't count against it."""
    assert fed().up is None
    assert fed(None, None).up is None
    assert fed(None, None, 0.02).up is True
    assert fed(*[None] * ROUNDS_DOWN).up is False


def test_how_slow_is_a_median_and_nothing_when_shut():
    """One slow answer doesn't make the way slow; a shut way has no time."""
    assert fed(0.02, 0.021, 1.9).milliseconds == 21
    assert fed(0.02, None, None, None).milliseconds is None


def test_the_second_way_is_taken_only_when_it_helps():
    """Neither doubt about the first nor a shut second moves anybody."""
    down, good, unknown = fed(None, None, None), fed(0.01), Way()
    assert prefer_second(down, good)
    assert not any(prefer_second(*pair) for pair in [(good, good), (unknown, good), (down, down), (down, unknown)])
