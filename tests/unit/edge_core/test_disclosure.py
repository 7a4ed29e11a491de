# SPDX-License-Identifier: EUPL-1.2
"""What is told of counts proves of nobody that they were there."""

from functools import cache
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_core.disclosure import among, split, told

SMALL, STEP = 6, 3
"""A minimum and a rounding so small that every possible world can be looked at."""
NAMES = ("a", "b", "c")


@given(st.integers(0, 20000), st.integers(0, 50), st.integers(0, 50))
def test_a_told_count_is_a_multiple_near_the_truth(count, minimum, rounding):
    """What is told is never below the minimum's group, and at most half a step from the truth."""
    answer = told(count, minimum, rounding)
    step = max(1, rounding)
    assert (answer is None) == (count < minimum)
    assert answer is None or (answer % step == 0 and abs(answer - count) <= step / 2)


@cache
def worlds(most):
    """Every world of three groups, by what would be published of it."""
    found = {}
    for world in product(range(most), repeat=len(NAMES)):
        found.setdefault(published(world), []).append(world)
    return found


def published(world):
    """The two tables that everybody may read: the whole, and its parts."""
    whole, parts = split(sum(world), dict(zip(NAMES, world, strict=True)), SMALL, STEP)
    return whole, tuple(parts[name] for name in NAMES)


@given(st.tuples(*[st.integers(0, 18)] * len(NAMES)))
@settings(max_examples=400, deadline=None)
def test_one_person_cant_be_read_from_two_published_tables(world):
    """Whoever has both tables and knows the rule: for each small group, a world without anybody in it fits as well.

    And of no group is the exact count known: taking one person away, or adding one, fits both tables too.
    """
    same = worlds(30)[published(world)]
    for place, count in enumerate(world):
        possible = {other[place] for other in same}
        assert count >= SMALL or 0 in possible, (world, published(world))
        assert len(possible) > 1, (world, published(world))


@cache
def crowds(most):
    """Every number of people here and online, by what would be published of it (real settings)."""
    found = {}
    for here in range(most):
        for online in range(here + 1):
            told_of = (told(here, 10, 5), among(here, online, 10, 5))
            found.setdefault(told_of, []).append((online, here - online))
    return found


@given(st.integers(0, 120), st.integers(0, 120))
@settings(deadline=None)
def test_few_who_are_not_online_are_never_proven(online, waiting):
    """Nor few who are: for all that the two numbers say, either small group may be empty."""
    here = online + waiting
    same = crowds(260)[told(here, 10, 5), among(here, online, 10, 5)]
    assert online >= 10 or 0 in {each for each, _ in same}
    assert waiting >= 10 or 0 in {each for _, each in same}


@given(st.dictionaries(st.text("xyz", min_size=1), st.integers(0, 60), max_size=6))
def test_nothing_below_the_minimum_is_ever_told(parts):
    """Whatever the parts, and where all are large they are all told."""
    whole, shown = split(sum(parts.values()), parts, 10, 5)
    assert whole is None or whole >= 10
    assert all(shown[name] is None or (count >= 10 and shown[name] % 5 == 0) for name, count in parts.items())
    if parts and min(parts.values()) >= 10:
        assert None not in shown.values()
