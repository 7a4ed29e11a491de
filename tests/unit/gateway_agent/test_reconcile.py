# SPDX-License-Identifier: EUPL-1.2
"""What must change in the kernel."""

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from edge_core.store.grants import Grant
from gateway_agent import reconcile
from gateway_agent.leases import Lease
from gateway_agent.nft_elements import Change, Value, key4, key6, key_live

NOW = 1_000_000.0
MAC = "02:50:00:00:00:01"
HOME = IPv4Address("10.77.0.10")


def grant(number=5, mac=MAC, expires_at=NOW + 600, ended_at=None):
    return Grant(number, f"session-{number}", mac, "free", NOW - 10, expires_at, ended_at, None)


def test_a_grant_is_its_mark_its_mac_and_each_leased_address():
    """IPv4 needs a lease, IPv6 the MAC alone; all end with the session."""
    value = Value(0x80000005, NOW + 600)
    other = Lease(MAC, IPv4Address("10.77.0.11"), NOW + 60)
    wanted = reconcile.wish([grant()], [Lease(MAC, HOME, NOW + 60), other], NOW)
    slots = [key_live(0x80000005), key6(MAC), key4(MAC, HOME), key4(MAC, other.address)]
    assert wanted == dict.fromkeys(slots, value)


def test_a_lease_that_ran_out_or_is_anothers_gives_nothing():
    """An address is let through only with the MAC that holds it now."""
    leases = [Lease(MAC, HOME, NOW - 1), Lease("02:50:00:00:00:02", IPv4Address("10.77.0.12"), NOW + 60)]
    assert set(reconcile.wish([grant()], leases, NOW)) == {key_live(0x80000005), key6(MAC)}


def test_what_is_over_is_not_wished():
    """Ended and expired grants, and ids that don't fit a mark, open nothing."""
    over = [grant(1, ended_at=NOW - 1), grant(2, expires_at=NOW), grant(0), grant(0x80000000)]
    assert reconcile.wish(over, [], NOW) == {}


def test_a_small_difference_of_time_changes_nothing():
    """Reading takes time: only an end that moved by seconds is renewed, in one step."""
    slot, value = key6(MAC), Value(0x80000005, NOW + 600)
    assert reconcile.difference({slot: value._replace(expires_at=NOW + 599)}, {slot: value}, NOW) == []
    early = {slot: value._replace(expires_at=NOW + 100)}
    assert reconcile.difference(early, {slot: value}, NOW) == [Change(slot, value, replace=True)]


def test_another_mark_replaces_the_element():
    """A device's new session takes the place of the old one."""
    slot = key6(MAC)
    old, new = Value(0x80000005, NOW + 600), Value(0x80000006, NOW + 600)
    assert reconcile.difference({slot: old}, {slot: new}, NOW) == [Change(slot, new, replace=True)]


def test_what_the_kernel_has_dropped_by_itself_is_not_deleted():
    """Deleting an element that has run out would fail the whole batch."""
    assert reconcile.difference({key6(MAC): Value(0x80000005, NOW - 1)}, {}, NOW) == []


ELEMENTS = st.dictionaries(
    st.integers(1, 40).map(lambda n: key6(f"02:50:00:00:00:{n:02x}")),
    st.builds(Value, st.integers(1, 9), st.integers(-50, 50).map(lambda s: NOW + s)),
)


@given(ELEMENTS, ELEMENTS)
def test_the_changes_lead_from_fact_to_wish_and_end_there(fact, wanted):
    """Applied as the kernel does (a delete or replace needs the element, an add needs its absence), nothing is left."""
    wanted = {slot: value for slot, value in wanted.items() if value.expires_at > NOW}
    kernel = {slot: value for slot, value in fact.items() if value.expires_at > NOW}
    changes = reconcile.difference(fact, wanted, NOW)
    for slot, value, replace in changes:
        assert (slot in kernel) == (replace or value is None)
        kernel.pop(slot, None)
        if value is not None:
            kernel[slot] = value
    assert reconcile.difference(kernel, wanted, NOW) == []
    assert set(kernel) == set(wanted)
    assert reconcile.after(fact, changes, NOW) == kernel
