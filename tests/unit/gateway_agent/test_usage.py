# SPDX-License-Identifier: EUPL-1.2
"""Folding counts of flows into totals."""

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_core.store.usage import Usage
from gateway_agent.ledger import Ledger
from gateway_agent.usage import Flow, Tally

MARK = 0x80000000


def flow(number, grant, count):
    """Return a flow that has carried `count` of everything."""
    return Flow(number, MARK | grant, count * 100, count, count * 200, count)


def total(count):
    return Usage(count * 100, count, count * 200, count)


def test_the_same_look_twice_adds_nothing():
    """Counts are of a flow's whole life: seeing them again is not seeing more."""
    tally = Tally()
    for _ in range(3):
        tally.look([flow(1, 7, 5)])
    assert tally.totals == {7: total(5)}


def test_an_end_adds_only_the_growth():
    """The last count of an ended flow tops up what the looks had seen."""
    tally = Tally()
    tally.look([flow(1, 7, 5)])
    tally.end(flow(1, 7, 8))
    assert tally.totals == {7: total(8)}
    assert tally.flows == {}


def test_a_flow_shown_after_its_end_is_not_counted_twice():
    """A table that was being read while the flow ended may still show it."""
    tally = Tally()
    tally.end(flow(1, 7, 8))
    for _ in range(5):
        tally.forget_others(tally.look([flow(1, 7, 8)]))
    assert tally.totals == {7: total(8)}


def test_an_end_that_comes_late_adds_only_the_growth():
    """An end told after a whole look no longer showed the flow tops up its last count."""
    tally = Tally()
    tally.forget_others(tally.look([flow(1, 7, 5)]))
    tally.forget_others(tally.look([]))
    tally.end(flow(1, 7, 6))
    assert tally.totals == {7: total(6)}


def test_an_id_used_again_is_a_new_flow():
    """Counts below the last ones, or another grant's mark, mean another flow with the same number."""
    tally = Tally()
    tally.look([flow(1, 7, 5)])
    tally.look([flow(1, 7, 2)])
    tally.look([flow(1, 8, 4)])
    assert tally.totals == {7: total(7), 8: total(4)}


def test_a_revoked_flow_still_belongs_to_its_grant():
    """The kernel takes the top bit away when a session runs out; its bytes stay the session's."""
    tally = Tally()
    tally.look([flow(1, 7, 5)])
    tally.end(flow(1, 7, 9)._replace(mark=7))
    assert tally.totals == {7: total(9)}


def test_a_closed_grant_is_forgotten():
    """After a session's end nothing of it stays in memory."""
    tally = Tally()
    tally.look([flow(1, 7, 5), flow(2, 8, 1)])
    tally.close({7})
    assert (set(tally.totals), set(tally.flows)) == ({8}, {2})


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("grow"), st.integers(1, 6), st.integers(1, 50)),
        st.tuples(st.just("end"), st.integers(1, 6), st.just(0)),
        st.tuples(st.sampled_from(["look", "save", "kill"]), st.just(0), st.just(0)),
    ),
    max_size=60,
)


@settings(deadline=None)  # it opens a file for each case
@given(STEPS)
def test_no_byte_is_lost_or_counted_twice_across_kills(tmp_path_factory, steps):
    """Whatever order flows grow and end in, and wherever the agent is killed, the total is what was carried.

    Flows end only while somebody listens here; what is kept of an end is kept at once, as the agent does.
    """
    folder = tmp_path_factory.mktemp("ledger")
    ledger = Ledger(folder, "boot")
    tally, alive, carried, number = ledger.tally({}), {}, 0, 100
    ids = {}
    for action, slot, amount in steps:
        if action == "grow":
            if slot not in alive:
                number += 1
                ids[slot] = number
            alive[slot] = alive.get(slot, 0) + amount
            carried += amount
        elif action == "end" and slot in alive:
            tally.end(flow(ids[slot], 7, alive.pop(slot)))
            ledger.save(tally)
        elif action == "look":
            tally.forget_others(tally.look([flow(ids[s], 7, count) for s, count in alive.items()]))
        elif action == "save":
            ledger.save(tally)
        elif action == "kill":
            ledger.close()
            ledger = Ledger(folder, "boot")
            tally = ledger.tally({})
    tally.look([flow(ids[s], 7, count) for s, count in alive.items()])
    ledger.close()
    assert tally.totals.get(7, Usage()) == total(carried)


def test_another_boot_starts_without_flows_and_with_the_recorded_totals(tmp_path):
    """Flow numbers of an earlier boot mean nothing; totals of the store are taken up."""
    old = Ledger(tmp_path, "one")
    tally = old.tally({})
    tally.look([flow(1, 7, 5)])
    old.save(tally)
    old.close()
    fresh = Ledger(tmp_path, "two")
    tally = fresh.tally({7: total(4)})
    fresh.close()
    assert (tally.totals, tally.flows) == ({7: total(4)}, {})
    assert not list(tmp_path.glob("flows-one*"))


def test_a_damaged_ledger_is_replaced(tmp_path):
    """A file that is no database costs what it held, not the agent."""
    (tmp_path / "flows-boot.db").write_bytes(b"rubbish" * 1000)
    ledger = Ledger(tmp_path, "boot")
    assert ledger.tally({7: total(1)}).totals == {7: total(1)}
    ledger.close()


def test_a_forgotten_grant_does_not_come_back(tmp_path):
    """What was closed and told is not counted again after a restart."""
    ledger = Ledger(tmp_path, "boot")
    tally = ledger.tally({})
    tally.look([flow(1, 7, 5)])
    ledger.save(tally)
    tally.close({7})
    ledger.forget({7})
    ledger.save(tally)
    ledger.close()
    again = Ledger(tmp_path, "boot")
    assert (again.tally({}).totals, again.tally({}).flows) == ({}, {})
    again.close()
