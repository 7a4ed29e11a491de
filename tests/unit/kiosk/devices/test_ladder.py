# SPDX-License-Identifier: EUPL-1.2
"""A screen whose page is dead is helped rung by rung, never more than needed, and never for somebody else's fault."""

from itertools import pairwise

import pytest

from kiosk.devices.ladder import AGAIN, MOST_REBOOTS, PATIENCE, RUNGS, START, STEADY, Ladder, is_lit


def climb(ladder, seconds, begin=0.0, *, alive=lambda _: False, served=lambda _: True):
    """Look once a second and return [(second, rung)]."""
    found = []
    for second in range(int(seconds)):
        now = begin + second
        rung = ladder.look(now, alive=alive(now), served=served(now))
        if rung:
            found.append((now, rung))
    return found


def test_the_rungs_come_in_order_each_after_its_patience():
    """Reload, browser, compositor, reboot: each only where the one before did not help."""
    found = climb(Ladder(0.0), 600)
    assert [rung for _, rung in found] == list(RUNGS)
    assert found[0][0] == START
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(found)]
    assert gaps == [PATIENCE[rung] for rung in RUNGS[1:]]


def test_a_living_page_is_left_alone():
    """A beat each 5 s, as the page gives it: nothing is done, for ever."""
    assert climb(Ladder(0.0), 5000, alive=lambda now: now % 5 == 0) == []


@pytest.mark.parametrize("helps", RUNGS[:-1])
def test_what_helped_ends_the_climb(helps):
    """When the page lives again, the next failure begins with the cheapest rung."""
    ladder, helped = Ladder(0.0), []

    def alive(now):
        return bool(helped) and now > helped[0] + 2 and now < helped[0] + 50

    for second in range(600):
        rung = ladder.look(float(second), alive=alive(second), served=True)
        if rung == helps and not helped:
            helped.append(second)
            continue
        if helped and rung:
            assert rung == "reload"
            return
    pytest.fail("nothing was done the second time")


def test_while_pages_are_not_served_the_browser_is_not_blamed():
    """Flask is down for minutes: no rung; when it is back, the page has its time to come."""
    found = climb(Ladder(0.0), 400, served=lambda now: not 10 <= now < 300)
    assert found[0] == (299 + PATIENCE["reload"], "reload")


def test_a_device_does_not_reboot_for_ever():
    """After two reboots in a row there is only the help page, and the browser is tried again later."""
    found = climb(Ladder(0.0, reboots=MOST_REBOOTS), 400 + AGAIN * 2)
    assert "reboot" not in [rung for _, rung in found]
    assert [rung for _, rung in found][:5] == ["reload", "browser", "compositor", "help", "browser"]


def test_a_steady_page_forgives_reboots():
    """Ten minutes of life, and a failure months later may reboot again."""
    ladder = Ladder(0.0, reboots=2)
    climb(ladder, STEADY + 10, alive=lambda now: now % 5 == 0)
    assert ladder.reboots == 0


@pytest.mark.parametrize(
    ("hours", "minute", "lit"),
    [
        (None, 0, True),
        ((420, 1200), 419, False),
        ((420, 1200), 420, True),
        ((420, 1200), 1199, True),
        ((420, 1200), 1200, False),
        ((1320, 120), 1330, True),
        ((1320, 120), 60, True),
        ((1320, 120), 700, False),
    ],
)
def test_screen_hours(hours, minute, lit):
    """Hours that go over midnight are hours too."""
    assert is_lit(hours, minute) is lit
