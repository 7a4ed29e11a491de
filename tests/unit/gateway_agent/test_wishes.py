# SPDX-License-Identifier: EUPL-1.2
"""Following the wish by what has changed gives the same as making it anew."""

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_core.errors import StoreError
from edge_core.leases import Lease
from edge_core.settings import load
from edge_core.store import database
from edge_core.store.followed import Permit
from gateway_agent import quota, timekeeping
from gateway_agent.nft_ruleset import LIVE, SHAPED
from gateway_agent.timekeeping import Note
from gateway_agent.wishes import Wishes, holders

MACS = [f"02:50:00:00:00:0{n}" for n in range(4)]
GRANTS = st.lists(st.tuples(st.sampled_from(MACS), st.integers(1, 30)), max_size=4, unique_by=lambda pair: pair[0])
LEASES = st.lists(st.tuples(st.sampled_from(MACS), st.integers(10, 15), st.integers(1, 30)), max_size=6)


@given(st.lists(st.tuples(GRANTS, LEASES, st.integers(0, 20)), max_size=8))
def test_following_changes_equals_starting_anew(rounds):
    """After any history of grants, leases and time, what devices are to have is that of a fresh look at everything."""
    wishes, number, now, current = Wishes(), 0, 1000.0, {}
    for wanted, leased, passed in rounds:
        now += passed
        gone = [mac for mac in current if mac not in dict(wanted)]
        changed = [current.pop(mac)._replace(ended_at=now) for mac in gone]
        for mac, seconds in wanted:
            if mac not in current or current[mac].expires_at <= now:
                number += 1
                current[mac] = Permit(number, mac, now + seconds)
                changed.append(current[mac])
        leases = [Lease(mac, IPv4Address(f"10.77.0.{tail}"), now + seconds) for mac, tail, seconds in leased]
        before = wishes.all()
        touched = wishes.update(changed, holders(leases, now), now)
        anew = Wishes()
        anew.update(current.values(), holders(leases, now), now)
        assert wishes.all() == anew.all()
        assert wishes.grants == anew.grants
        assert {mac for mac in MACS if before.get(mac) != wishes.held(mac)} <= touched


def test_nothing_new_touches_nothing():
    """A look without news names nobody; what runs out by itself is found without being told."""
    wishes = Wishes()
    assert wishes.update([Permit(1, MACS[0], 100.0)], {}, 50.0) == {MACS[0]}
    assert wishes.update([], None, 51.0) == set()
    assert wishes.update([], None, 100.0) == {MACS[0]}
    assert wishes.held(MACS[0]) is None


def test_what_does_not_fit_a_mark_opens_nothing():
    """Ended and expired grants, and ids beyond the bits of a mark, are not wished."""
    over = [Permit(1, MACS[0], 100.0, 40.0), Permit(2, MACS[1], 50.0), Permit(0, MACS[2], 100.0)]
    wishes = Wishes()
    wishes.update([*over, Permit(0x20000000, MACS[3], 100.0)], {}, 50.0)
    assert wishes.all() == {}


def test_a_longer_session_keeps_its_lane_until_its_end():
    """An extended grant stays one session, in one class; its end frees the class for the next."""
    wishes = Wishes()
    wishes.update([Permit(1, MACS[0], 100.0, rate_up=500, rate_down=1000)], {}, 50.0)
    first = wishes.held(MACS[0])
    assert (first.lane.up, first.lane.down, first.value.mark) == (500, 1000, LIVE | SHAPED | 1)
    wishes.update([Permit(1, MACS[0], 200.0, rate_up=500, rate_down=1000)], None, 60.0)
    assert wishes.held(MACS[0]).lane == first.lane
    assert wishes.update([], None, 100.0) == set()
    wishes.update([], None, 200.0)
    wishes.update([Permit(0xFFF1, MACS[1], 300.0, rate_up=500)], None, 201.0)
    assert wishes.held(MACS[1]).lane.minor == first.lane.minor


def test_a_device_that_changes_its_mac_keeps_its_grant():
    """The same grant with another MAC moves: the old MAC has nothing left."""
    wishes = Wishes()
    wishes.update([Permit(1, MACS[0], 100.0)], {}, 50.0)
    assert wishes.update([Permit(1, MACS[1], 100.0)], None, 51.0) == set(MACS[:2])
    assert wishes.held(MACS[0]) is None
    assert wishes.held(MACS[1]).value.mark == LIVE | 1


def test_a_step_of_the_clock_is_told_from_time_that_passes():
    """Within a boot the running clock tells; after a reboot only a clock that is behind where it was is a step."""
    note = Note("one", 1000.0, 1500.0)
    assert timekeeping.step(None, "one", 5.0, 5.0) == 0
    assert timekeeping.step(note, "one", 1600.5, 600.0) == 0
    assert timekeeping.step(note, "one", 9600.0, 600.0) == 8000.0
    assert timekeeping.step(note, "one", 600.0, 600.0) == -1000.0
    assert timekeeping.step(note, "two", 9000.0, 10.0) == 0
    assert timekeeping.step(note, "two", 100.0, 10.0) == -1400.0


def test_a_note_of_the_clock_that_finds_no_room_hinders_nobody(tmp_path, monkeypatch):
    """With a full disk the agent goes on judging grants; only a step that can't be written down has to wait."""
    path = tmp_path / "device.toml"
    path.write_text(f'[site]\nid = "parc"\nname = "Parc"\n[device]\nid = "g1"\nstate_dir = "{tmp_path}/state"\n')
    settings = load(path, {})
    database.migrate(settings)
    store, moment = database.open_edge(settings.edge_db), [1000.0, 0.0]
    monkeypatch.setattr("edge_core.clock.now", lambda: moment[0])
    monkeypatch.setattr("edge_core.clock.monotonic", lambda: moment[1])
    keeper = timekeeping.Timekeeper(store)
    assert keeper.settle() == 0
    store.execute("PRAGMA query_only = ON")
    moment[:] = [1400.0, 400.0]
    assert keeper.settle() == 0
    moment[:] = [9000.0, 401.0]
    with pytest.raises(StoreError):
        keeper.settle()
    store.execute("PRAGMA query_only = OFF")
    assert keeper.settle() == 7599.0


def test_a_quota_is_looked_at_more_often_near_its_end():
    """Who is fast is looked at sooner; who has used it up is over."""
    watch = quota.Watch()
    assert watch.judge({1: 1000}, {1: 0}, 10.0) == ([], float("inf"))
    assert watch.judge({1: 1000}, {1: 500}, 11.0) == ([], 0.5)
    assert watch.judge({1: 1000}, {1: 1000}, 11.5) == ([1], float("inf"))
