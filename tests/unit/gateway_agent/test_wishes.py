# SPDX-License-Identifier: EUPL-1.2
"""Following the wish by what has changed gives the same as making it anew."""

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from edge_core.store.grants import Grant
from gateway_agent import reconcile
from gateway_agent.leases import Lease
from gateway_agent.wishes import Wishes, holders

MACS = [f"02:50:00:00:00:0{n}" for n in range(4)]
GRANTS = st.lists(st.tuples(st.sampled_from(MACS), st.integers(1, 30)), max_size=4, unique_by=lambda pair: pair[0])
LEASES = st.lists(st.tuples(st.sampled_from(MACS), st.integers(10, 15), st.integers(1, 30)), max_size=6)


@given(st.lists(st.tuples(GRANTS, LEASES, st.integers(0, 20)), max_size=8))
def test_following_changes_equals_starting_anew(rounds):
    """After any history of grants, leases and time, the followed elements are those of a fresh look at everything."""
    wishes, number, now, current = Wishes(), 0, 1000.0, {}
    for wanted, leased, passed in rounds:
        now += passed
        for mac in [mac for mac in current if mac not in dict(wanted)]:
            del current[mac]
        for mac, seconds in wanted:
            if mac not in current or current[mac].expires_at <= now:
                number += 1
                current[mac] = Grant(number, f"s{number}", mac, "free", now, now + seconds, None, None)
        leases = [Lease(mac, IPv4Address(f"10.77.0.{tail}"), now + seconds) for mac, tail, seconds in leased]
        before = dict(wishes.elements)
        fetch, over = wishes.stale({grant.id: grant.expires_at for grant in current.values()}, now)
        fresh = [grant for grant in current.values() if grant.id in fetch]
        touched = wishes.update(fresh, over, holders(leases, now), now)
        alive = [grant for grant in current.values() if grant.expires_at > now]
        assert wishes.elements == reconcile.wish(alive, leases, now)
        changed = {s for s in before.keys() | wishes.elements.keys() if before.get(s) != wishes.elements.get(s)}
        assert changed <= touched


def test_nothing_new_touches_nothing():
    """A look without news asks for no grant and names no slot."""
    wishes = Wishes()
    grant = Grant(1, "s", MACS[0], "free", 0.0, 100.0, None, None)
    assert wishes.stale({1: 100.0}, 50.0) == ({1}, set())
    assert wishes.update([grant], (), {}, 50.0)
    assert wishes.stale({1: 100.0}, 51.0) == (set(), set())
    assert wishes.update([], (), None, 51.0) == set()
    assert wishes.stale({1: 100.0}, 100.0) == (set(), {1})
