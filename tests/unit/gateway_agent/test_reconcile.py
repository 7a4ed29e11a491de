# SPDX-License-Identifier: EUPL-1.2
"""What must change in the kernel."""

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from gateway_agent import reconcile
from gateway_agent.nft_elements import FOR_EVER, Value, key4, key_mac, key_mark
from gateway_agent.reconcile import Held
from gateway_agent.shaping import Lane

NOW = 1_000_000.0
MAC = key_mac("02:50:00:00:00:01")
HOME = IPv4Address("10.77.0.10").packed
VALUE = Value(0x80000005, NOW + 600)
NONE = {"grant4": {}, "grant6": {}, "zone6": {}, "live": {}, "shape": {}, "blocked": {}}


def test_a_grant_is_its_mark_its_mac_and_each_leased_address():
    """IPv4 needs a lease, IPv6 the MAC alone; all end with the session."""
    other = IPv4Address("10.77.0.11").packed
    assert reconcile.elements([Held(VALUE, MAC, frozenset({HOME, other}))]) == {
        **NONE,
        "grant4": {key4(MAC, HOME): VALUE, key4(MAC, other): VALUE},
        "grant6": {MAC: VALUE},
        "live": {key_mark(VALUE.mark): VALUE},
    }


def test_a_rate_is_a_class_for_the_mark():
    """The packets of a flow with that mark are sorted into the session's lane, as long as the session lasts."""
    wanted = reconcile.elements([Held(VALUE, MAC, frozenset(), Lane(7, 1000, 2000))])
    assert wanted["shape"] == {key_mark(VALUE.mark): Value(0x50410007, VALUE.expires_at)}


def test_a_blocked_device_is_shut_out_for_ever():
    """A block has no end of its own, and looking again at it changes nothing."""
    wanted = reconcile.elements([], ["02:50:00:00:00:01"])
    assert wanted == {**NONE, "blocked": {MAC: Value(0, FOR_EVER)}}
    assert len(reconcile.difference(wanted, wanted, NOW)) == 0


def one(slot, value):
    return {"grant6": {slot: value}}


def test_a_small_difference_of_time_changes_nothing():
    """Reading takes time: only an end that moved by seconds is renewed, in one step."""
    assert len(reconcile.difference(one(MAC, VALUE._replace(expires_at=NOW + 599)), one(MAC, VALUE), NOW)) == 0
    early = one(MAC, VALUE._replace(expires_at=NOW + 100))
    assert reconcile.difference(early, one(MAC, VALUE), NOW).replaced == {"grant6": [(MAC, VALUE)]}


def test_another_mark_replaces_the_element():
    """A device's new session takes the place of the old one."""
    new = VALUE._replace(mark=0x80000006)
    assert reconcile.difference(one(MAC, VALUE), one(MAC, new), NOW).replaced == {"grant6": [(MAC, new)]}


def test_what_the_kernel_has_dropped_by_itself_is_not_deleted():
    """Deleting an element that has run out would fail the whole batch."""
    assert len(reconcile.difference(one(MAC, Value(0x80000005, NOW - 1)), {}, NOW)) == 0


ELEMENTS = st.dictionaries(
    st.integers(1, 40).map(lambda n: key_mac(f"02:50:00:00:00:{n:02x}")),
    st.builds(Value, st.integers(1, 9), st.integers(-50, 50).map(lambda s: NOW + s)),
)


@given(ELEMENTS, ELEMENTS)
def test_the_changes_lead_from_fact_to_wish_and_end_there(fact, wanted):
    """Applied as the kernel does (a delete or replace needs the element, an add needs its absence), nothing is left."""
    wanted = {key: value for key, value in wanted.items() if value.expires_at > NOW}
    kernel = {key: value for key, value in fact.items() if value.expires_at > NOW}
    changes = reconcile.difference({"grant6": fact}, {"grant6": wanted}, NOW)
    for key in changes.removed.get("grant6", []):
        del kernel[key]
    for key, value in changes.replaced.get("grant6", []):
        assert key in kernel
        kernel[key] = value
    for key, value in changes.added.get("grant6", []):
        assert key not in kernel
        kernel[key] = value
    assert len(reconcile.difference({"grant6": kernel}, {"grant6": wanted}, NOW)) == 0
    assert set(kernel) == set(wanted)
