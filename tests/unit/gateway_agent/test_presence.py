# SPDX-License-Identifier: EUPL-1.2
"""Counting without knowing or telling who."""

import gc

from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.presence import ARRIVALS_AT_ONCE, Presence, Spot, Tokens

MAIN = Spot("main")


def people(first, last):
    return {f"02:50:00:00:{n >> 8:02x}:{n & 255:02x}" for n in range(first, last)}


class Looking:
    """Looks at a crowd each ten seconds or at once, and writes down the windows that close."""

    def __init__(self, minimum=0, rounding=1, seconds=300):
        self.presence = Presence(seconds, minimum, rounding)
        self.running = 5000.0
        self.now = None

    def look(self, here, now, online=(), spots=None, running=None):
        """Look once at `now`; the running clock goes along unless told otherwise."""
        self.running = self.running + max(0.0, now - (self.now if self.now is not None else now)) * 1.0
        self.running, self.now = running if running is not None else self.running, now
        where = {mac: (spots or {}).get(mac, MAIN) for mac in here}
        windows = self.presence.observe(where, set(online), now, self.running)
        self.presence.recorded(len(windows))
        return windows

    def watch(self, here, start, end, online=(), spots=None):
        """Look every ten seconds from `start` up to and including `end`."""
        found = []
        for now in range(int(start), int(end) + 1, 10):
            found += self.look(here, float(now), online, spots)
        return found


def counts(window):
    return window.associated, window.online, window.arrivals, window.departures


def test_a_window_waits_until_it_is_written_down():
    """A window that found no room on the disk is told with the next ones; a day of them is kept, no more."""
    presence, here = Presence(300, 0, 1), dict.fromkeys(people(0, 20), MAIN)
    presence.observe(here, set(), 0.0, 0.0)
    (first,) = presence.observe(here, set(), 300.0, 300.0)
    again = presence.observe(here, set(), 600.0, 600.0)
    assert again[0] == first
    assert len(again) == 2
    presence.recorded(1)
    assert presence.observe(here, set(), 601.0, 601.0) == again[1:]
    for number in range(3, 400):
        waiting = presence.observe(here, set(), 300.0 * number, 300.0 * number)
    assert len(waiting) == 288
    assert waiting[-1].start == 300 * 398


def test_a_window_tells_most_at_once_arrivals_and_departures():
    """Counts are of the window; who was there at the start of the agent has not arrived."""
    crowd = Looking()
    crowd.look(people(0, 20), 900.0, people(0, 5))
    crowd.look(people(0, 32), 1000.0, people(0, 9))
    crowd.look(people(12, 32), 1199.0, people(12, 16))
    (window,) = crowd.look(people(12, 32), 1200.0, people(12, 16))
    assert (window.zone, window.access_point, window.start, window.seconds) == ("main", None, 900, 300)
    assert counts(window) == (32, 9, 12, 12)
    (window,) = crowd.look(people(12, 33), 1500.0)
    assert (window.start, window.associated, window.arrivals, window.departures) == (1200, 20, 0, 0)


def test_small_groups_are_not_told():
    """Below the minimum a count is withheld, zero too: nothing is said about single people."""
    crowd = Looking(10, 5)
    crowd.look(set(), 0.0)
    crowd.look(people(0, 13), 1.0, people(0, 9))
    (window,) = crowd.look(set(), 300.0)
    assert counts(window) == (15, None, 15, None)


def test_zones_and_access_points_are_windows_of_their_own():
    """A zone counts a device once; one that walked over is at two access points, not two people."""
    hall, roof = Spot("main", "hall"), Spot("main", "roof")
    crowd = Looking()
    here = people(0, 30)
    crowd.look(here, 0.0, here, dict.fromkeys(here, hall))
    crowd.look(here, 10.0, here, dict.fromkeys(here, roof))
    others = people(40, 45)
    where = {**dict.fromkeys(here, roof), **dict.fromkeys(others, Spot("offices"))}
    crowd.look(here | others, 20.0, here, where)
    told = {(w.zone, w.access_point): counts(w) for w in crowd.look(here, 300.0)}
    assert told[("main", None)] == (30, 30, 0, 0)
    assert told[("main", "hall")][:2] == (30, 30)
    assert told[("main", "roof")][:2] == (30, 30)
    assert told[("offices", None)] == (5, 0, 5, 0)


def test_an_access_point_is_hidden_where_the_others_give_it_away():
    """Forty here and thirty-one of them at one access point would tell that somebody is at the other."""
    here = people(0, 40)
    spots = dict.fromkeys(people(0, 31), Spot("main", "hall")) | dict.fromkeys(people(31, 40), Spot("main", "roof"))
    crowd = Looking(10, 5)
    crowd.look(here, 0.0, here, spots)
    told = {w.access_point: w.associated for w in crowd.look(here, 300.0, here, spots)}
    assert told == {None: 40, "hall": None, "roof": None}


def test_few_who_are_not_online_are_not_given_away():
    """Thirty here of whom twenty-one online: nine are not, and are told with those who are."""
    crowd = Looking(10, 5)
    crowd.look(people(0, 30), 0.0, people(0, 21))
    (window,) = crowd.look(set(), 300.0)
    assert window.associated == window.online == 30


def test_a_window_says_how_long_it_was_watched():
    """Seconds in which nobody looked are not passed off as empty ones."""
    crowd = Looking()
    crowd.watch(people(0, 20), 0, 290)
    (window,) = crowd.look(people(0, 20), 300.0)
    assert (window.observed, window.doubt) == (300, None)
    crowd.watch(people(0, 20), 310, 400)
    (window,) = crowd.look(people(0, 20), 600.0)
    assert window.doubt == "partial"
    assert 90 <= window.observed <= 110


def test_a_clock_that_was_set_is_told():
    """Forward by hours, or back: both the window that was left and the one that was come to say so."""
    for jump in (7200.0, -7200.0):
        crowd = Looking()
        crowd.watch(people(0, 20), 9000, 9290)
        (window,) = crowd.look(people(0, 20), 9290.0 + jump, running=crowd.running + 5)
        assert window.doubt == "clock"
        assert crowd.presence.clock_steps == 1
        windows = crowd.watch(people(0, 20), 9300 + jump, 10500 + jump)
        assert [each.doubt for each in windows][-2:] == [None, None]


def test_a_flood_is_told_and_its_counts_are_not():
    """More arrivals than there can be make no number; the next window counts again."""
    crowd = Looking()
    crowd.watch(people(0, 20), 0, 100)
    crowd.look(people(0, 20 + int(ARRIVALS_AT_ONCE) + 2500), 101.0)
    (window,) = crowd.look(people(0, 20), 300.0)
    assert window.doubt == "flood"
    assert counts(window) == (None, None, None, None)
    assert crowd.presence.floods == 1
    (window,) = crowd.watch(people(0, 20), 310, 600)
    assert (window.doubt, window.associated) == (None, 20)


def test_no_address_stays_and_the_salt_goes():
    """After a look the object holds no MAC anywhere; after a window the same device has another value."""
    crowd = Looking()
    here = people(0, 50)
    crowd.look(here, 0.0, here)
    held = repr([vars(crowd.presence), vars(crowd.presence.tokens)])
    assert not any(mac in held or mac.replace(":", "") in held for mac in here)
    before = crowd.presence.tokens.of(sorted(here))
    (_,) = crowd.look(here, 300.0, here)
    after = crowd.presence.tokens.of(sorted(here))
    assert len(set(before) & set(after)) < 5
    salt = crowd.presence.tokens._salt
    crowd.look(here, 600.0, here)
    assert crowd.presence.tokens._salt != salt
    gc.collect()


def test_many_addresses_share_each_value():
    """A value is 24 bits, whatever the address: nobody with the key finds the one device again."""
    tokens = Tokens(bytes)
    values = tokens.of(people(0, 3000))
    assert all(0 <= value < 1 << 24 for value in values)
    assert tokens.of(people(0, 3000)) == values


@given(st.lists(st.tuples(st.sets(st.integers(0, 30)), st.integers(0, 400)), max_size=30))
def test_arrivals_and_departures_account_for_who_is_here(looks):
    """Over all windows: at first + arrivals - departures = at last; a new salt makes nobody leave and come back."""
    crowd, now, windows = Looking(), 0.0, []
    for here, seconds in [*looks, (set(), 300)]:
        windows += crowd.look({f"02:00:00:00:00:{n:02x}" for n in here}, now)
        now += seconds
    last = {f"02:00:00:00:00:{n:02x}" for n in (looks[-1][0] if looks else ())}
    windows += crowd.look(last, now + 300)
    windows += crowd.look(last, now + 700)
    first = len(looks[0][0]) if looks else 0
    assert first + sum(w.arrivals for w in windows) - sum(w.departures for w in windows) == len(last)
