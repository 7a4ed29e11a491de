# SPDX-License-Identifier: EUPL-1.2
"""The quality of an uplink is told by windows, each of one way."""

from gateway_agent.uplink_quality import Quality


def test_a_window_tells_how_many_were_answered_and_how_fast():
    """Median and worst of the answers; silence is counted, and without any answer there is no time."""
    quality = Quality(300)
    for second, took in ((300, 0.010), (310, None), (320, 0.030), (330, 0.200)):
        assert quality.observe("first", took, float(second)) is None
    told = quality.observe("first", None, 600.0)
    assert (told.start, told.way, told.asked, told.answered) == (300, "first", 4, 3)
    assert (told.milliseconds_median, told.milliseconds_worst) == (30, 200)
    silent = quality.observe("second", 0.01, 610.0)
    assert (silent.way, silent.asked, silent.answered, silent.milliseconds_median) == ("first", 1, 0, None)
