# SPDX-License-Identifier: EUPL-1.2
"""Finds the way from one place of the park to another, over the floors, in the graph that the plans carry. Pure.

A plan has {"places": [{id, x, y}], "ways": {"nodes": [{id, x, y}], "edges": [{from, to, kind}]}}; places are nodes too.
An edge with the kind "stairs" or "lift" leads to another floor. Whatever the content lacks or gets wrong, there is then
no way, and never an error.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import pairwise
from math import dist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Graph = Mapping[str, Sequence[tuple[str, float, str]]]

CHANGES = ("stairs", "lift")
_COST = {"stairs": 200.0, "lift": 300.0}  # units of the drawing that a change of floor is worth
_MOST_NODES = 20_000


@dataclass(frozen=True)
class Node:
    """A point of a plan, in the units of its drawing."""

    plan: str
    x: float
    y: float


@dataclass(frozen=True)
class Leg:
    """The part of a way that is on one floor: its corners, its first and last node, and how it goes on.

    `by` is "stairs", "lift", or "" where the way ends here.
    """

    plan: str
    points: tuple[tuple[float, float], ...]
    start: str
    end: str
    by: str


def find(plans: Iterable[Mapping[str, Any]], start: str, goal: str, *, step_free: bool = False) -> list[Leg]:
    """Return the shortest way by floors, [] where there is none; `step_free` takes no stairs."""
    known = list(plans)
    nodes = _nodes(known)
    if start not in nodes or goal not in nodes or start == goal:
        return []
    path = _shortest(_graph(known, nodes, step_free=step_free), start, goal)
    return list(_legs(path, nodes))


def entrance(plans: Iterable[Mapping[str, Any]]) -> str:
    """Return the place where people come in, "" where no plan says it."""
    return next((str(place["id"]) for plan in plans for place in _dicts(plan.get("places")) if _enters(place)), "")


def _enters(place: Mapping[str, Any]) -> bool:
    return place.get("kind") == "entrance" and bool(place.get("id"))


def _nodes(plans: list[Mapping[str, Any]]) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for plan in plans:
        ways = plan.get("ways")
        points = [*_dicts(plan.get("places")), *_dicts(ways.get("nodes") if isinstance(ways, dict) else None)]
        for point in points[:_MOST_NODES]:
            x, y = point.get("x"), point.get("y")
            if isinstance(x, int | float) and isinstance(y, int | float):
                found.setdefault(str(point.get("id")), Node(str(plan.get("id")), float(x), float(y)))
    return found


def _graph(plans: list[Mapping[str, Any]], nodes: Mapping[str, Node], *, step_free: bool) -> Graph:
    graph: dict[str, list[tuple[str, float, str]]] = {}
    for plan in plans:
        ways = plan.get("ways")
        for edge in _dicts(ways.get("edges") if isinstance(ways, dict) else None):
            one, other, kind = str(edge.get("from")), str(edge.get("to")), str(edge.get("kind") or "")
            if one not in nodes or other not in nodes or (step_free and kind == "stairs"):
                continue
            length = _COST.get(kind) or dist((nodes[one].x, nodes[one].y), (nodes[other].x, nodes[other].y))
            graph.setdefault(one, []).append((other, length, kind))
            graph.setdefault(other, []).append((one, length, kind))
    return graph


def _shortest(graph: Graph, start: str, goal: str) -> list[tuple[str, str]]:
    """Return the nodes of the shortest path with the kind of the edge that leads to each (Dijkstra); [] for none."""
    heap: list[tuple[float, str, str, str]] = [(0.0, start, "", "")]
    came: dict[str, tuple[str, str]] = {}
    while heap:
        length, node, before, kind = heapq.heappop(heap)
        if node in came:
            continue
        came[node] = (before, kind)
        if node == goal:
            break
        for other, step, by in graph.get(node, ()):
            if other not in came:
                heapq.heappush(heap, (length + step, other, node, by))
    path: list[tuple[str, str]] = []
    node = goal if goal in came else ""
    while node:
        path.append((node, came[node][1]))
        node = came[node][0]
    return path[::-1]


def _legs(path: list[tuple[str, str]], nodes: Mapping[str, Node]) -> Iterator[Leg]:
    leg: list[str] = [path[0][0]] if path else []
    for (before, _), (node, kind) in pairwise(path):
        if nodes[node].plan != nodes[before].plan:
            yield _leg(leg, nodes, kind or "stairs")
            leg = []
        leg.append(node)
    if leg:
        yield _leg(leg, nodes, "")


def _leg(names: list[str], nodes: Mapping[str, Node], by: str) -> Leg:
    points = tuple((nodes[name].x, nodes[name].y) for name in names)
    return Leg(nodes[names[0]].plan, points, names[0], names[-1], by)


def _dicts(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
