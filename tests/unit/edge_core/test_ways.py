# SPDX-License-Identifier: EUPL-1.2
"""The way to a company, over the floors."""

import pytest

from edge_core.store import ways

GROUND = {
    "id": "ground",
    "places": [
        {"id": "door", "x": 0, "y": 0, "kind": "entrance"},
        {"id": "stairs-0", "x": 100, "y": 0},
        {"id": "lift-0", "x": 400, "y": 0},
        {"id": "island", "x": 900, "y": 900},
    ],
    "ways": {
        "nodes": [{"id": "corner", "x": 50, "y": 50}],
        "edges": [
            {"from": "door", "to": "stairs-0"},
            {"from": "door", "to": "corner"},
            {"from": "corner", "to": "lift-0"},
            {"from": "stairs-0", "to": "stairs-1", "kind": "stairs"},
            {"from": "lift-0", "to": "lift-1", "kind": "lift"},
        ],
    },
}
FIRST = {
    "id": "first",
    "places": [
        {"id": "stairs-1", "x": 100, "y": 0},
        {"id": "lift-1", "x": 400, "y": 0},
        {"id": "office", "x": 120, "y": 9},
    ],
    "ways": {"nodes": [], "edges": [{"from": "stairs-1", "to": "office"}, {"from": "lift-1", "to": "office"}]},
}


def test_the_shortest_way_by_floors():
    """Each floor is a leg with its corners, and says how it goes on."""
    legs = ways.find([GROUND, FIRST], "door", "office")
    assert [(leg.plan, leg.end, leg.by) for leg in legs] == [("ground", "stairs-0", "stairs"), ("first", "office", "")]
    assert legs[0].points == ((0, 0), (100, 0))


def test_without_a_step():
    """Who can't take stairs is led by the lift."""
    legs = ways.find([GROUND, FIRST], "door", "office", step_free=True)
    assert [leg.by for leg in legs] == ["lift", ""]
    assert legs[0].points == ((0, 0), (50, 50), (400, 0))


def test_where_no_way_leads():
    """An island, an unknown place, the place itself: no way, no error."""
    for goal in ("island", "nowhere", "door", ""):
        assert ways.find([GROUND, FIRST], "door", goal) == []
    assert ways.entrance([FIRST, GROUND]) == "door"
    assert ways.entrance([FIRST]) == ""


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"places": 7, "ways": "x"},
        {
            "id": None,
            "places": [None, {"id": "door"}, {"id": "office", "x": "1", "y": None}],
            "ways": {"nodes": {}, "edges": [1, {}]},
        },
        {"ways": {"edges": [{"from": "door", "to": ["office"]}]}},
    ],
)
def test_content_that_is_wrong_gives_no_way(broken):
    """A publisher's slip costs the way, never the page."""
    assert ways.find([broken], "door", "office") == []
    assert ways.entrance([broken]) == ""
